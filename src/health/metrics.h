/* SPDX-License-Identifier: MIT
 *
 * metrics: figures and findings as text for Prometheus.
 *
 * No label has an id, an address, a type or an error's text: only configured words. So the number of series is bounded by
 * the endpoints and secrets there are. What is not known is left out, and never written as 0.
 *
 * source: prometheus.io, "Exposition formats" (text, 0.0.4) and "Metric and label naming"
 */
#ifndef METRICS_H
#define METRICS_H

#include "alarm.h"
#include "base/buf.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Append the text to *out, to be released. errors: ERR_MEMORY
 * cost: some 20 KB of text for two secrets; 10 us
 */
int metrics_write(const struct figures *f, const struct alarm *a, struct buf *out, struct err *e);

#endif
