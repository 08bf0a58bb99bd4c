/* SPDX-License-Identifier: MIT
 *
 * version: in this one place; NEWS tells what each brought.
 */
#ifndef VERSION_H
#define VERSION_H

#define VERSION "0.1.1"

#endif
