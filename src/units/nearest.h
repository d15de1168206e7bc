/* SPDX-License-Identifier: MIT
 *
 * The word that somebody may have meant.
 */
#ifndef TCPWATCH_UNITS_NEAREST_H
#define TCPWATCH_UNITS_NEAREST_H

#include <stddef.h>

/* The one of `words` with the fewest letters to change, at most a third of its own; NULL where none
 * is near. */
const char *nearest_word(const char *typed, const char *const *words, size_t count);

#endif
