/* SPDX-License-Identifier: MIT
 *
 * Memory for much, in huge pages where the kernel has them: to touch page after page for the first
 * time is not the least that a long list costs.
 */
#ifndef TCPWATCH_UNITS_BULK_H
#define TCPWATCH_UNITS_BULK_H

#include <stddef.h>

#define BULK_PAGE  ((size_t)2 * 1024 * 1024)
#define CACHE_LINE ((size_t)64)

/* What is no larger, and large enough for a huge page, shares one with others where there is room;
 * for two of half of it there is. */
#define BULK_SHARED_MAX (BULK_PAGE - 2 * CACHE_LINE)

/* Memory, not set to anything; what is small beside BULK_PAGE comes from malloc(). Returns NULL
 * with errno; to be freed with the same size. Any thread may call. */
void *bulk_new(size_t size);
void bulk_free(void *data, size_t size);

#endif
