/* SPDX-License-Identifier: MIT
 * base64: bytes as text. */
#include "base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_size(size_t bytes) { return (bytes + 2) / 3 * 4; }

void base64_encode(struct span bytes, char *out)
{
    const unsigned char *in = (const unsigned char *)bytes.at;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t three =
            (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
        *out++ = digits[three >> 18];
        *out++ = digits[three >> 12 & 63];
        *out++ = left > 1 ? digits[three >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[three & 63] : '=';
    }
}

static int value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int64_t base64_decode(struct span text, char *out)
{
    const char *begin = out;
    size_t pad = 0;
    while (pad < 2 && pad < text.len && text.at[text.len - 1 - pad] == '=')
        pad++;
    if (text.len % 4)
        return -1;
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t four = 0;
        for (size_t k = 0; k < 4; k++) {
            bool is_pad = i + k >= text.len - pad;
            int v = is_pad ? 0 : value(text.at[i + k]);
            if (v < 0)
                return -1;
            four = four << 6 | (uint32_t)v;
        }
        size_t n = i + 4 == text.len ? 3 - pad : 3;
        if ((n == 2 && four & 0xff) || (n == 1 && four & 0xffff))
            return -1; /* bits that are lost: another text for the same bytes */
        for (size_t k = 0; k < n; k++)
            *out++ = (char)(four >> (16 - 8 * k) & 0xff);
    }
    return out - begin;
}
