/* probe.c - attempts to get out of a box that need system calls of their own. */
#include "env/os/box/modes.h"

int box_probe(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 64;
}
