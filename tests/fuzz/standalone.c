/* Replays files through a fuzz target with an ordinary compiler: fuzz_x FILE-OR-DIRECTORY…
 * Exits with 1 when nothing was fed, so that an empty corpus is not taken for a passed test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned fed;

static void feed(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return;
    size_t size = 0, cap = 4096;
    uint8_t *data = malloc(cap);
    while (data != NULL) {
        size_t got = fread(data + size, 1, cap - size, f);
        size += got;
        if (got == 0)
            break;
        if (size < cap)
            continue;
        cap *= 2;
        uint8_t *more = realloc(data, cap);
        if (more == NULL)
            free(data);
        data = more;
    }
    int readable = !ferror(f);
    fclose(f);
    if (data == NULL || !readable) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    /* A block of the exact size, so that a sanitizer or valgrind sees a read past the end. */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        exit(1);
    for (size_t i = 0; i < size; i++)
        exact[i] = data[i];
    free(data);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    fed++;
}

static void feed_all(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        feed(path);
        return;
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char name[4096];
        int n = snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.' && n > 0 && (size_t)n < sizeof(name))
            feed(name);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        feed_all(argv[i]);
    printf("%s: %u inputs\n", argv[0], fed);
    return fed > 0 ? 0 : 1;
}
