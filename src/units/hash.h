/* SPDX-License-Identifier: MIT
 *
 * uthash, which returns where memory runs out instead of ending the process: what was to be added
 * has no table then.
 */
#ifndef TCPWATCH_UNITS_HASH_H
#define TCPWATCH_UNITS_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#endif
