/**
 * @file pki.h
 * libpki: issue and verify SPIFFE X.509-SVIDs. Generated from bindings-c/src by `make header`: do
 * not edit.
 *
 * Handles. What `pki_<noun>_new`, or a function with an `out`, gives is a handle: it belongs to the
 * caller and is freed by `pki_<noun>_free`, once. `_free(NULL)` does nothing. A handle that was
 * freed must not be used again, nor freed: the library does not notice. Valgrind does.
 * AddressSanitizer in the program notices that a handle is freed twice or never, and that the
 * program reads a text whose handle is gone; not that the library is given such a handle, as it is
 * not built with it.
 *
 * Results. A function that can fail returns a `pki_result`: `PKI_OK`, or a `PKI_ERR_…`, whose
 * comment says what is wrong; `out` is written on success only, `error` on failure only. A function
 * that returns something else can't fail; given NULL it answers with nothing: an empty text, 0,
 * false.
 *
 * Texts. A text that is given is a pointer and a length in bytes, UTF-8, and is only read during
 * the call. A text that is returned (`pki_str`) is borrowed from a handle that the comment names.
 *
 * NULL where something is due is `PKI_ERR_NULL_ARGUMENT`, what is not UTF-8 `PKI_ERR_INVALID_UTF8`;
 * every function with texts or handles may return these two, and every one that can fail
 * `PKI_ERR_INTERNAL`.
 *
 * Threads. Every function may be called on any thread. What threads may do with one handle at once
 * stands at its type. Nothing is kept for a thread.
 */
#ifndef PKI_H
#define PKI_H
