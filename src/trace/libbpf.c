/* SPDX-License-Identifier: MIT */
#include "trace/libbpf.h"

#include <dlfcn.h>

#define STRING(text)      #text
#define STRING_OF(number) STRING(number)
#define LIBBPF_SONAME     "libbpf.so." STRING_OF(LIBBPF_MAJOR_VERSION)

struct libbpf libbpf;

const char *libbpf_open(void) {
    void *library = dlopen(LIBBPF_SONAME, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return dlerror();
#define FIND(name)                                                                                 \
    if (!(*(void **)&libbpf.name = dlsym(library, #name)))                                         \
        return dlerror();
    LIBBPF_FUNCTIONS(FIND)
#undef FIND
    return NULL;
}
