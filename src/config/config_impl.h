/* SPDX-License-Identifier: MIT
 *
 * config_impl: what reading a configuration and checking it share.
 */
#ifndef CONFIG_IMPL_H
#define CONFIG_IMPL_H

#include "config.h"

/* It must not be used, for this reason and with this cure ("": none is known): c->error, and no fault. Returns -1. */
int config_broken(struct config *c, enum err_code code, const char *what, const char *cure);

/* The keys. Sets c->value, c->retain_ms and c->max_body. 0, or -1 with c->error and c->fault, as the next one. */
int config_check_values(struct config *c, const char *max_body, const char *retain);

/* The directory form. Sets c->files and c->names. */
int config_check_directory(struct config *c);

#endif
