# The legend: a row of arms (from legend_first on) over all panels, then marks that a script names (legend_dash, legend_cross, legend_open, legend_dot).
# Arms in legend_hide (" 1 3 ") are left out, for they have no line.
# Widths of texts are estimated; a row that is full goes on in the next. Afterwards `top` is where panels may begin.
if (!exists("legend_first")) legend_first = 1
if (!exists("legend_hide")) legend_hide = " "
if (!exists("legend_dash")) legend_dash = ""
if (!exists("legend_cross")) legend_cross = ""
if (!exists("legend_open")) legend_open = ""
if (!exists("legend_dot")) legend_dot = ""
unset key
legend_x = 12.0; legend_row = 0; legend_mark = 26.0
legend_width(text) = legend_mark + 12 + 8.2*strlen(text) + 18
legend_place(text) = legend_x > 12 && legend_x + legend_width(text) > plot_width ? (legend_row = legend_row + 1, legend_x = 12.0) : legend_x
do for [a=legend_first:arms] { if (strstrt(legend_hide, sprintf(" %d ", a)) == 0) {
    legend_x = legend_place(ARM[a]); y = 1 - (14.0 + 22*legend_row)/plot_height
    set arrow from screen legend_x/plot_width, y to screen (legend_x + legend_mark)/plot_width, y nohead lt a lw 4
    set label ARM[a] at screen (legend_x + legend_mark + 7)/plot_width, y left noenhanced textcolor rgb ink
    legend_x = legend_x + legend_width(ARM[a])
} }
if (legend_dash ne "") {
    legend_x = legend_place(legend_dash); y = 1 - (14.0 + 22*legend_row)/plot_height
    set arrow from screen legend_x/plot_width, y to screen (legend_x + legend_mark)/plot_width, y nohead lc rgb ink dt 2 lw 1.5
    set label legend_dash at screen (legend_x + legend_mark + 7)/plot_width, y left textcolor rgb ink
    legend_x = legend_x + legend_width(legend_dash)
}
if (legend_cross ne "") {
    legend_x = legend_place(legend_cross); y = 1 - (14.0 + 22*legend_row)/plot_height
    set label " " at screen (legend_x + legend_mark/2)/plot_width, y left point pt 2 ps 1 lc rgb ink
    set label legend_cross at screen (legend_x + legend_mark + 7)/plot_width, y left textcolor rgb ink
    legend_x = legend_x + legend_width(legend_cross)
}
if (legend_dot ne "") {
    legend_x = legend_place(legend_dot); y = 1 - (14.0 + 22*legend_row)/plot_height
    set label " " at screen (legend_x + legend_mark/2)/plot_width, y left point pt 7 ps 0.8 lc rgb 0xd55e00
    set label legend_dot at screen (legend_x + legend_mark + 7)/plot_width, y left textcolor rgb ink
    legend_x = legend_x + legend_width(legend_dot)
}
if (legend_open ne "") {
    legend_x = legend_place(legend_open); y = 1 - (14.0 + 22*legend_row)/plot_height
    set label " " at screen (legend_x + legend_mark/2)/plot_width, y left point pt 6 ps 0.8 lc rgb 0x56b4e9
    set label legend_open at screen (legend_x + legend_mark + 7)/plot_width, y left textcolor rgb ink
}
top = 1 - (62.0 + 22*legend_row)/plot_height
