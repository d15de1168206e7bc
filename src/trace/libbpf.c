/* SPDX-License-Identifier: MIT */
#include "trace/libbpf.h"

#include "units/proc.h"

#include <dlfcn.h>
#include <errno.h>

#define STRING(text)      #text
#define STRING_OF(number) STRING(number)
#define LIBBPF_SONAME     "libbpf.so." STRING_OF(LIBBPF_MAJOR_VERSION)
#define LIBBPF_BUILT_WITH STRING_OF(LIBBPF_MAJOR_VERSION) "." STRING_OF(LIBBPF_MINOR_VERSION)

struct libbpf libbpf;

static const char *find(void) {
    void *library = dlopen(LIBBPF_SONAME, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return dlerror();
#define FIND(name)                                                                                 \
    if (!(*(void **)&libbpf.name = dlsym(library, #name)))                                         \
        return dlerror();
    LIBBPF_FUNCTIONS(FIND)
#undef FIND
    /* Its structures grow with it. */
    if (libbpf.libbpf_minor_version() < LIBBPF_MINOR_VERSION)
        return LIBBPF_SONAME ": it is older than " LIBBPF_BUILT_WITH;
    return NULL;
}

const char *libbpf_open(void) {
    const char *missing;

    errno = 0;
    missing = find();
    if (missing && !proc_shortage(errno))
        errno = ELIBACC;
    return missing;
}
