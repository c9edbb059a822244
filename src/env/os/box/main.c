/* main.c - the sandbox helper: which of its lives is wanted. */
#include "env/os/box/modes.h"
#include <string.h>

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "keeper") == 0)
        return box_keeper();
    if (strcmp(mode, "server") == 0)
        return box_server(argc - 2, argv + 2);
    if (strcmp(mode, "probe") == 0)
        return box_probe(argc - 2, argv + 2);
    return 64;
}
