/* env/shop/files.h - which files a shop is read from. */
#ifndef CMAT_ENV_SHOP_FILES_H
#define CMAT_ENV_SHOP_FILES_H
#include "cmat/error.h"

/* Paths, owned; goals is NULL where there is no such file. */
typedef struct {
    char *products; /* products*.jsonl, documents*.jsonl, items_shuffle*.json */
    char *goals;    /* items_ins_v2*.json: attributes and instructions */
} shop_files;

/* From a folder that holds them, or from either file, the other being looked for beside it. */
cmat_status shop_files_find(shop_files *f, const char *path, cmat_error *err);
void shop_files_clear(shop_files *f);
#endif
