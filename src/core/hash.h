/* core/hash.h - digests: SHA-256 for file identity, MD5 for AgentBench's table hash, FNV-1a for
 * tables. */
#ifndef CMAT_CORE_HASH_H
#define CMAT_CORE_HASH_H
#include "cmat/error.h"
#include <stddef.h>
#include <stdint.h>

/* hex: 64 digits and a NUL. */
void cmat_sha256_hex(const void *data, size_t n, char hex[65]);
cmat_status cmat_sha256_file(const char *path, char hex[65], cmat_error *err);
/* SHA-1 of a file as git names it: over "blob <size>", a NUL and the content. 40 digits and a NUL.
 */
cmat_status cmat_git_sha1_file(const char *path, char hex[41], cmat_error *err);
/* hex: 32 digits and a NUL. */
void cmat_md5_hex(const void *data, size_t n, char hex[33]);
uint64_t cmat_fnv1a(const void *data, size_t n);
#endif
