#data cells from sensitivity pick text(prediction),text(variation),text(verdict),same
#data plan from sensitivity by prediction pick text(prediction),text(primary_verdict)
id = "sensitivity"; plot_width = 760
set datafile separator tab
set datafile missing "NA"
cells = 0
stats "data/sensitivity.cells.tsv" using (cells = cells + 1, 0) nooutput
# The distinct names in order of appearance. They are only ever compared and drawn.
array COLUMN[cells + 1]
array ROW[cells + 1]
columns = 0; rows = 0; longest = 29; widest = 1
column_of(name) = columns < 1 ? 0 : sum [i=1:columns] (COLUMN[i] eq name ? i : 0)
row_of(name) = rows < 1 ? 0 : sum [i=1:rows] (ROW[i] eq name ? i : 0)
add_column(name) = column_of(name) > 0 ? 0 : (columns = columns + 1, COLUMN[columns] = name, widest = strlen(name) > widest ? strlen(name) : widest, 0)
add_row(name) = row_of(name) > 0 ? 0 : (rows = rows + 1, ROW[rows] = name, 0)
stats "data/sensitivity.cells.tsv" using (add_column(strcol(1)) + add_row(strcol(2))) nooutput
plot_height = 92 + (rows + 1.4)*24
load "style.gp"
left = 24.0 + 8.4*longest
set lmargin at screen left/plot_width
set rmargin at screen 1 - 12.0/plot_width
set tmargin at screen 1 - 78.0/plot_height
set bmargin at screen 10.0/plot_height
unset grid
set border 0
set tics scale 0
unset key
set xrange [0.5:columns + 0.5]
set yrange [rows + 0.5:-0.9]
unset xtics
unset ytics
do for [i=1:rows] {
    text = in_words(ROW[i])
    set label strlen(text) > longest ? substr(text, 1, longest - 1) . "~" : text at screen (left - 8)/plot_width, first i right noenhanced font ",12" textcolor rgb ink
}
set label "verdict of the plan" at screen (left - 8)/plot_width, first -0.3 right font ",12" textcolor rgb ink
turn = widest*9.0 > (plot_width - left)/columns
column_font = (plot_width - left)/columns < 13.0*widest ? ",10" : ",12"
do for [i=1:columns] {
    if (turn) { set label COLUMN[i] at first i, screen 1 - 72.0/plot_height left rotate by 40 noenhanced font ",11" textcolor rgb ink }
    if (!turn) { set label COLUMN[i] at first i, screen 1 - 66.0/plot_height center noenhanced font column_font textcolor rgb ink }
}
array WORD[4] = ["S supported", "R refuted", "I inconclusive", "- not testable"]
array SHADE[4] = [0x0072b2, 0xd55e00, 0xc8c8c8, 0xededed]   # what a prediction does not rest on has no cell
array TEXT[4] = [0xffffff, 0xffffff, 0x000000, 0x000000]
kind(verdict) = verdict eq "not_affected" ? 5 : verdict eq "supported" ? 1 : verdict eq "refuted" ? 2 : verdict eq "inconclusive" ? 3 : 4
letter(verdict) = kind(verdict) == 5 ? "" : substr(WORD[kind(verdict)], 1, 1)
cell(verdict, x) = kind(verdict) == 5 ? NaN : x
do for [k=1:4] {
    x = (14.0 + 148*(k - 1))/plot_width; y = 1 - 16.0/plot_height
    set object k rectangle from screen x, y - 7.0/plot_height to screen x + 18.0/plot_width, y + 7.0/plot_height fc rgb SHADE[k] fs solid 1 noborder
    set label WORD[k] at screen x + 25.0/plot_width, y left textcolor rgb ink font ",12"
}
set object 5 rectangle from screen 606.0/plot_width, 1 - 23.0/plot_height to screen 624.0/plot_width, 1 - 9.0/plot_height fs empty border lc rgb ink lw 2
set label "not as planned" at screen 631.0/plot_width, 1 - 16.0/plot_height left textcolor rgb ink font ",12"
at_column(x) = column_of(strcol(1))
at_row(x) = row_of(strcol(2))
plot data("plan") using (at_column(0)):(-0.3):(at_column(0) - 0.46):(at_column(0) + 0.46):(-0.3 - 0.42):(-0.3 + 0.42):(SHADE[kind(strcol(2))]) with boxxyerror fc rgb variable fs solid 1 noborder notitle, \
     data("plan") using (at_column(0)):(-0.3):(letter(strcol(2))):(TEXT[kind(strcol(2))]) with labels font ",12" textcolor rgb variable notitle, \
     data("cells") using (cell(strcol(3), at_column(0))):(at_row(0)):(at_column(0) - 0.46):(at_column(0) + 0.46):(at_row(0) - 0.42):(at_row(0) + 0.42):(SHADE[kind(strcol(3)) == 5 ? 4 : kind(strcol(3))]) with boxxyerror fc rgb variable fs solid 1 noborder notitle, \
     data("cells") using ($4 == 0 ? at_column(0) : NaN):(at_row(0)):(at_column(0) - 0.46):(at_column(0) + 0.46):(at_row(0) - 0.42):(at_row(0) + 0.42) with boxxyerror lc rgb ink lw 2 fs empty border notitle, \
     data("cells") using (cell(strcol(3), at_column(0))):(at_row(0)):(letter(strcol(3))):(TEXT[kind(strcol(3)) == 5 ? 4 : kind(strcol(3))]) with labels font ",12" textcolor rgb variable notitle
