/* hash.c - digests through nettle. */
#include "core/hash.h"
#include "core/fs.h"

#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdio.h>

static void to_hex(const uint8_t *digest, size_t n, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * n] = '\0';
}

void cmat_sha256_hex(const void *data, size_t n, char hex[65])
{
    struct sha256_ctx ctx;
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256_init(&ctx);
    sha256_update(&ctx, n, data);
    sha256_digest(&ctx, sizeof digest, digest);
    to_hex(digest, sizeof digest, hex);
}

cmat_status cmat_sha256_file(const char *path, char hex[65], cmat_error *err)
{
    cmat_map m;
    cmat_status st = cmat_map_open(&m, path, err);
    if (st != CMAT_OK)
        return st;
    cmat_sha256_hex(m.data, m.len, hex);
    cmat_map_close(&m);
    return CMAT_OK;
}

cmat_status cmat_git_sha1_file(const char *path, char hex[41], cmat_error *err)
{
    struct sha1_ctx ctx;
    uint8_t digest[SHA1_DIGEST_SIZE];
    char head[40];
    cmat_map m;
    cmat_status st = cmat_map_open(&m, path, err);
    if (st != CMAT_OK)
        return st;
    const int n = snprintf(head, sizeof head, "blob %zu", m.len);
    sha1_init(&ctx);
    sha1_update(&ctx, (size_t)n + 1, (const uint8_t *)head);
    sha1_update(&ctx, m.len, m.data);
    sha1_digest(&ctx, sizeof digest, digest);
    to_hex(digest, sizeof digest, hex);
    cmat_map_close(&m);
    return CMAT_OK;
}

void cmat_md5_hex(const void *data, size_t n, char hex[33])
{
    struct md5_ctx ctx;
    uint8_t digest[MD5_DIGEST_SIZE];

    md5_init(&ctx);
    md5_update(&ctx, n, data);
    md5_digest(&ctx, sizeof digest, digest);
    to_hex(digest, sizeof digest, hex);
}

uint64_t cmat_fnv1a(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}
