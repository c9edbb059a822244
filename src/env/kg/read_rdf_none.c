/* env/kg/read_rdf_none.c - in place of read_rdf.c where serd was not there at build time. */
#include "env/kg/build.h"

cmat_status kg_read_rdf(kg_build *b, const char *path, cmat_error *err)
{
    (void)b;
    return cmat_fail(
        err, CMAT_ERR_UNSUPPORTED,
        "kg: %s: this build reads no RDF: install libserd-dev and build again, or turn the "
        "file into lines of three fields between tabs",
        path);
}
