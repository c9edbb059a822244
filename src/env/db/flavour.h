/* env/db/flavour.h - what one server's SQL is called in another's: an Actor that has learned one
 * writes its functions everywhere. */
#ifndef CMAT_ENV_DB_FLAVOUR_H
#define CMAT_ENV_DB_FLAVOUR_H
#include <stddef.h>

typedef enum { DB_FLAVOUR_SQLITE, DB_FLAVOUR_MYSQL, DB_FLAVOUR_POSTGRES, DB_N_FLAVOURS } db_flavour;

/* How the year and month of a date are written: "DATE_FORMAT(d, '%Y-%m')". */
const char *db_flavour_month(db_flavour d);
/* What stands here for the function (or LIKE on a date) that an error message says is not there;
 * NULL: it says no such thing, or there is nothing. */
const char *db_flavour_instead(db_flavour d, const char *error);
#endif
