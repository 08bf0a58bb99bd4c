/* SPDX-License-Identifier: MIT
 *
 * named: files that the command line names, opened while this process is still root.
 *
 * Root names files that only root may read, and then becomes the owner of the database's folder. What was opened before is
 * given out by its name afterwards; any other name is opened as by fopen and opendir.
 */
#ifndef NAMED_H
#define NAMED_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Open these paths, up to a NULL, and of a folder each file with one of import's names. "-" is passed over, and so is what
 * cannot be opened: whoever asks for it later is told why.
 */
void named_open(char *const *paths);

/* Open a file that holds something secret, likewise. */
void named_open_secret(const char *path);

/* Such a file's descriptor, to be closed, at its beginning; -1: it was not opened before. */
int named_secret(const char *path);

/* To be closed; NULL with errno. */
FILE *named_file(const char *path);
DIR *named_folder(const char *path);

#endif
