/* env/shop/files.c - see files.h. */
#include "env/shop/files.h"
#include "core/fs.h"
#include "core/mem.h"
#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static bool ends(const char *s, const char *with)
{
    const size_t n = strlen(s), m = strlen(with);
    return n >= m && strcmp(s + n - m, with) == 0;
}

static bool is_goals(const char *name)
{
    return begins(name, "items_ins") && ends(name, ".json");
}

static bool is_products(const char *name)
{
    return ((begins(name, "products") || begins(name, "documents")) && ends(name, ".jsonl")) ||
           (begins(name, "items_shuffle") && ends(name, ".json"));
}

/* The first by name of each kind that is not known yet. */
static cmat_status look_in(shop_files *f, const char *folder, cmat_error *err)
{
    struct dirent **names = NULL;
    const int n = scandir(folder, &names, NULL, alphasort);
    if (n < 0)
        return cmat_fail(err, CMAT_ERR_IO, "%s: cannot be read", folder);
    for (int i = 0; i < n; i++) {
        if (!f->products && is_products(names[i]->d_name))
            f->products = cmat_path_join(folder, names[i]->d_name);
        if (!f->goals && is_goals(names[i]->d_name))
            f->goals = cmat_path_join(folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return CMAT_OK;
}

cmat_status shop_files_find(shop_files *f, const char *path, cmat_error *err)
{
    const char *name = cmat_path_base(path);
    cmat_status st;
    *f = (shop_files){0};
    if (!cmat_path_exists(path))
        return cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: there is no such file or folder", path);
    if (cmat_path_is_dir(path)) {
        st = look_in(f, path, err);
    } else {
        char *folder = name > path ? cmat_xstrndup(path, (size_t)(name - path)) : cmat_xstrdup(".");
        if (is_goals(name))
            f->goals = cmat_xstrdup(path);
        else
            f->products = cmat_xstrdup(path);
        st = look_in(f, folder, err);
        free(folder);
    }
    if (st == CMAT_OK && !f->products)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND,
                       "%s: no products*.jsonl, documents*.jsonl or items_shuffle*.json is there "
                       "(packed files are to be unpacked first)",
                       path);
    if (st != CMAT_OK)
        shop_files_clear(f);
    return st;
}

void shop_files_clear(shop_files *f)
{
    free(f->products);
    free(f->goals);
    *f = (shop_files){0};
}
