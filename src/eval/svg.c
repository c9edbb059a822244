/* svg.c - charts as inline SVG. */
#include "eval/svg.h"
#include "core/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void text(cmat_buf *out, double x, double y, const char *anchor, const char *class,
                 const char *s)
{
    cmat_buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y,
                    anchor, class);
    cmat_text_html(out, s, strlen(s));
    cmat_buf_puts(out, "</text>");
}

static void begin(cmat_buf *out, const char *title, double width, double height)
{
    cmat_buf_printf(out, "<figure><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", width,
                    height);
    cmat_text_html(out, title, strlen(title));
    cmat_buf_puts(out, "\">");
}

static void end(cmat_buf *out, const char *title)
{
    cmat_buf_puts(out, "</svg><figcaption>");
    cmat_text_html(out, title, strlen(title));
    cmat_buf_puts(out, "</figcaption></figure>\n");
}

void cmat_svg_bars(cmat_buf *out, const char *title, const cmat_svg_bar *bars, size_t n)
{
    enum { LEFT = 170, WIDTH = 380, ROW = 22, RIGHT = 130, TOP = 18 };
    double height = TOP + (double)n * ROW + 6;

    begin(out, title, LEFT + WIDTH + RIGHT, height);
    for (int tick = 0; tick <= 100; tick += 25) {
        char label[16];
        double x = LEFT + WIDTH * tick / 100.0;
        snprintf(label, sizeof label, "%d %%", tick);
        cmat_buf_printf(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>",
                        x, TOP, x, height - 4);
        text(out, x, TOP - 5, "middle", "tick", label);
    }
    for (size_t i = 0; i < n; i++) {
        const cmat_svg_bar *b = &bars[i];
        double y = TOP + (double)i * ROW + 4, mid = y + (ROW - 8) / 2.0;
        char value[64];
        cmat_buf_printf(out,
                        "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" class=\"bar\"/>",
                        LEFT, y, WIDTH * b->rate, ROW - 8);
        if (b->high > b->low)
            cmat_buf_printf(
                out, "<path d=\"M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6\" class=\"interval\"/>",
                LEFT + WIDTH * b->low, mid, LEFT + WIDTH * b->high, LEFT + WIDTH * b->low, mid - 3,
                LEFT + WIDTH * b->high, mid - 3);
        snprintf(value, sizeof value, "%.1f %%  (%zu / %zu)", 100 * b->rate, b->right, b->n);
        text(out, LEFT - 8, mid + 4, "end", "label", b->label);
        text(out, LEFT + WIDTH + 8, mid + 4, "start", "label", value);
    }
    end(out, title);
}

/* A step of 1, 2 or 5 times a power of ten that gives about five ticks. */
static double tick_step(double range)
{
    double raw = range > 0 ? range / 5 : 1, p = pow(10, floor(log10(raw)));
    return raw / p > 5 ? 10 * p : raw / p > 2 ? 5 * p : raw / p > 1 ? 2 * p : p;
}

enum {
    PLOT_LEFT = 56,
    PLOT_WIDTH = 560,
    PLOT_TOP = 12,
    PLOT_HEIGHT = 200,
    PLOT_BOTTOM = 40
}; /* of lines */

static void draw_lines(cmat_buf *out, const char *x_label, const cmat_svg_line *lines, size_t n)
{
    static const char *const dashes[] = {"", "6 3", "2 3", "8 3 2 3"};
    double lo = 0, hi = 0;
    size_t longest = 2;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < lines[i].n; k++) {
            lo = fmin(lo, lines[i].y[k]);
            hi = fmax(hi, lines[i].y[k]);
            longest = lines[i].n > longest ? lines[i].n : longest;
        }
    if (!(hi > lo))
        hi = lo + 1;
    for (double t = ceil(lo / tick_step(hi - lo)) * tick_step(hi - lo); t <= hi * 1.0001;
         t += tick_step(hi - lo)) {
        char label[32];
        double y = PLOT_TOP + PLOT_HEIGHT * (hi - t) / (hi - lo);
        snprintf(label, sizeof label, "%g", fabs(t) < 1e-12 ? 0 : t);
        cmat_buf_printf(out, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" class=\"grid\"/>",
                        PLOT_LEFT, y, PLOT_LEFT + PLOT_WIDTH, y);
        text(out, PLOT_LEFT - 6, y + 4, "end", "tick", label);
    }
    for (size_t i = 0; i < n; i++) {
        cmat_buf_printf(out, "<polyline class=\"line\" stroke-dasharray=\"%s\" points=\"",
                        dashes[i % 4]);
        for (size_t k = 0; k < lines[i].n; k++)
            cmat_buf_printf(out, "%.1f,%.1f ",
                            PLOT_LEFT + PLOT_WIDTH * (double)k / (double)(longest - 1),
                            PLOT_TOP + PLOT_HEIGHT * (hi - lines[i].y[k]) / (hi - lo));
        cmat_buf_puts(out, "\"/>");
        cmat_buf_printf(out,
                        "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" class=\"line\" "
                        "stroke-dasharray=\"%s\"/>",
                        PLOT_LEFT + 10 + 140.0 * (double)i, PLOT_TOP + PLOT_HEIGHT + 28,
                        PLOT_LEFT + 34 + 140.0 * (double)i, PLOT_TOP + PLOT_HEIGHT + 28,
                        dashes[i % 4]);
        text(out, PLOT_LEFT + 40 + 140.0 * (double)i, PLOT_TOP + PLOT_HEIGHT + 32, "start", "tick",
             lines[i].name);
    }
    text(out, PLOT_LEFT + PLOT_WIDTH, PLOT_TOP + PLOT_HEIGHT + 16, "end", "tick", x_label);
}

void cmat_svg_lines(cmat_buf *out, const char *title, const char *x_label,
                    const cmat_svg_line *lines, size_t n)
{
    begin(out, title, PLOT_LEFT + PLOT_WIDTH + 20, PLOT_TOP + PLOT_HEIGHT + PLOT_BOTTOM);
    draw_lines(out, x_label, lines, n);
    end(out, title);
}

void cmat_svg_lines_file(cmat_buf *out, const char *title, const char *x_label,
                         const cmat_svg_line *lines, size_t n)
{
    cmat_buf_printf(out,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                    "font-family=\"sans-serif\" font-size=\"12\">\n<title>",
                    PLOT_LEFT + PLOT_WIDTH + 20, PLOT_TOP + PLOT_HEIGHT + PLOT_BOTTOM);
    cmat_text_html(out, title, strlen(title));
    cmat_buf_puts(out,
                  "</title>\n<style>.grid{stroke:#ccc}.line{stroke:#1f6feb;stroke-width:1.5;"
                  "fill:none}.tick{fill:#555}</style>\n"
                  "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    draw_lines(out, x_label, lines, n);
    cmat_buf_puts(out, "</svg>\n");
}
