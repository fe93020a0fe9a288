/* What networks made of some test samples, beside the truth: arm beside arm. */
#include "reports/html.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "reports/escape.h"
#include "reports/pictures.h"

static void print_base64(FILE *stream, const unsigned char *bytes, size_t size) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned word =
            (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
        fputc(digit[word >> 18], stream);
        fputc(digit[word >> 12 & 63], stream);
        fputc(left > 1 ? digit[word >> 6 & 63] : '=', stream);
        fputc(left > 2 ? digit[word & 63] : '=', stream);
    }
}

/* Of the header of a PNG file. */
static unsigned width_of(const unsigned char *png) {
    return (unsigned)png[16] << 24 | (unsigned)png[17] << 16 | (unsigned)png[18] << 8 | png[19];
}

/* words: what it shows; sample: of what. */
static ps_status print_picture(FILE *stream, const ps_report_content *content, int sample, int arm, const char *words,
                               const char *of) {
    enum { COARSE = 200 /* pixels: shown larger, each a square */ };
    char name[PS_REPORT_PICTURE_NAME], *path, *png = NULL;
    size_t size = 0;
    PS_TRY(ps_file_join(content->plots.folder, ps_report_picture_name(sample, arm, name), &path));
    ps_status status = ps_file_read(path, &png, &size);
    free(path);
    PS_TRY(status);
    fprintf(stream, "<img%s alt=\"", width_of((const unsigned char *)png) < COARSE ? " class=\"coarse\"" : "");
    ps_escape_html(stream, words);
    fputs(" of ", stream);
    ps_escape_html(stream, of);
    fputs("\" src=\"data:image/png;base64,", stream);
    print_base64(stream, (const unsigned char *)png, size);
    fputs("\">", stream);
    free(png);
    return PS_OK;
}

static ps_status print_given(FILE *stream, const ps_report_content *content, int sample, int arm, const char *words,
                             const char *of) {
    fputs("<div>", stream);
    PS_TRY(print_picture(stream, content, sample, arm, words, of));
    fprintf(stream, "<small>%s</small></div>\n", words);
    return PS_OK;
}

static ps_status print_arm(FILE *stream, const ps_report_content *content, int sample, int arm, const char *of) {
    fputs("<div>", stream);
    if (ps_report_picture_is_there(&content->pictures, sample, arm))
        PS_TRY(print_picture(stream, content, sample, arm, "prediction", of));
    else fputs("<span class=\"none\">no picture</span>", stream);
    fprintf(stream,
            "<small><svg class=\"key\" viewBox=\"0 0 9 9\" aria-hidden=\"true\"><rect width=\"9\" height=\"9\" "
            "style=\"fill:var(--arm%d)\"/></svg>",
            arm % 8 + 1);
    ps_escape_html(stream, ps_table_text(&content->arms, arm, ps_table_column(&content->arms, "arm")));
    const char *seed = ps_report_picture_seed(content, arm);
    if (*seed && !content->single) {
        fputs(", seed ", stream);
        ps_escape_html(stream, seed);
    }
    fputs("</small></div>\n", stream);
    return PS_OK;
}

static ps_status print_sample(FILE *stream, const ps_report_content *content, int sample) {
    char name[128];
    const ps_report_pictures *p = &content->pictures;
    ps_report_sample_name(p, sample, name, sizeof name);
    fputs("<figure class=\"pictures\"><h3>", stream);
    ps_escape_html(stream, name);
    fputs("</h3>\n<div>\n", stream);
    PS_TRY(print_given(stream, content, sample, PS_REPORT_IMAGE, "image", name));
    PS_TRY(print_given(stream, content, sample, PS_REPORT_TRUTH, "truth", name));
    for (int arm = 0; arm < p->arms; arm++) PS_TRY(print_arm(stream, content, sample, arm, name));
    fputs("</div></figure>\n", stream);
    return PS_OK;
}

static void print_legend(FILE *stream, const ps_report_pictures *p) {
    const char *name, *colour;
    fputs("<ul class=\"legend\">", stream);
    for (int k = 0; ps_report_picture_class(p, k, &name, &colour); k++) {
        fputs("<li>", stream);
        if (colour != NULL)
            fprintf(stream,
                    "<svg class=\"key\" viewBox=\"0 0 9 9\" aria-hidden=\"true\"><rect width=\"9\" height=\"9\" "
                    "style=\"fill:%s\"/></svg>",
                    colour);
        ps_escape_html(stream, name);
        fputs(colour != NULL ? "</li>" : " (no colour)</li>", stream);
    }
    fputs("</ul>\n", stream);
}

ps_status ps_report_html_pictures(FILE *stream, const ps_report_content *content) {
    const ps_report_pictures *p = &content->pictures;
    if (p->samples == 0) return PS_OK;
    fprintf(
        stream,
        "<section aria-labelledby=\"h-pictures\"><h2 id=\"h-pictures\">Prediction beside truth</h2>\n<p "
        "class=\"small\">Samples of the test split that were chosen by their number alone, at the last evaluation%s: "
        "the image, its labels, and what was predicted, laid over the image in grey. Of a volume three slices are "
        "shown, through the middle of what is labelled. Pale: no label there.</p>\n",
        content->single ? "" : ", the same for every arm; one seed of each is shown");
    print_legend(stream, p);
    for (int i = 0; i < p->samples; i++) PS_TRY(print_sample(stream, content, i));
    fputs("</section>\n", stream);
    return PS_OK;
}
