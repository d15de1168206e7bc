/* SPDX-License-Identifier: MIT
 *
 * The word that somebody may have meant.
 */
#ifndef TCPWATCH_UNITS_NEAREST_H
#define TCPWATCH_UNITS_NEAREST_H

#include <stddef.h>

/* The only one of `words` that begins so, else the one with the fewest letters to change, at most a
 * third of its own; NULL where none is near. Upper and lower case are the same. */
const char *nearest_word(const char *typed, const char *const *words, size_t count);

#endif
