/* SPDX-License-Identifier: MIT
 *
 * Runs LLVMFuzzerTestOneInput() over files without a fuzzer: those given, the files of directories
 * given, or CORPUS_DIR. Speaks TAP; what an input that ends the program was called stands before
 * its end.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef CORPUS_DIR
#define CORPUS_DIR "."
#endif

#define INPUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t inputs;

static void run_file(const char *path) {
    uint8_t *data = malloc(INPUT_MAX);
    FILE *file = fopen(path, "rb");
    size_t size;

    if (!data || !file) {
        printf("Bail out! cannot read %s\n", path);
        exit(1);
    }
    printf("# %s\n", path);
    fflush(stdout);
    size = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    inputs++;
}

static void run(const char *path) {
    DIR *dir = opendir(path);
    const struct dirent *entry;
    char file[4096];

    if (!dir) {
        run_file(path);
        return;
    }
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.') {
            snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
            run_file(file);
        }
    closedir(dir);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    if (argc == 1)
        run(CORPUS_DIR);
    printf("%s 1 - every_input_of_the_corpus_is_borne\n1..1\n", inputs ? "ok" : "not ok");
    return inputs == 0;
}
