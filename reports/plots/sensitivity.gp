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
plot_height = 116 + (rows + 1.4)*24
load "style.gp"
left = 24.0 + 8.4*longest
set lmargin at screen left/plot_width
set rmargin at screen 1 - 12.0/plot_width
set tmargin at screen 1 - 102.0/plot_height
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
set label "as planned" at screen (left - 8)/plot_width, first -0.3 right font ",12" textcolor rgb ink
turn = widest*9.0 > (plot_width - left)/columns
column_font = (plot_width - left)/columns < 13.0*widest ? ",10" : ",12"
do for [i=1:columns] {
    if (turn) { set label COLUMN[i] at first i, screen 1 - 96.0/plot_height left rotate by 40 noenhanced font ",11" textcolor rgb ink }
    if (!turn) { set label COLUMN[i] at first i, screen 1 - 90.0/plot_height center noenhanced font column_font textcolor rgb ink }
}
# Of a registered question its verdict; of an exploratory one only on which side of its margin the median lies.
array WORD[6] = ["S shown", "N shown not to hold", "U undecided", "b beyond margin", "s short of it", "- not testable"]
array SHADE[6] = [0x0072b2, 0xd55e00, 0xc8c8c8, 0xcfe3f1, 0xf7dfcc, 0xededed]   # what a prediction does not rest on has no cell
array TEXT[6] = [0xffffff, 0xffffff, 0x000000, 0x000000, 0x000000, 0x000000]
kind(verdict) = verdict eq "not_affected" ? 7 : verdict eq "shown" ? 1 : verdict eq "shown_not" ? 2 : verdict eq "undecided" ? 3 : \
    verdict eq "beyond_margin" ? 4 : verdict eq "short_of_margin" ? 5 : 6
letter(verdict) = kind(verdict) == 7 ? "" : substr(WORD[kind(verdict)], 1, 1)
cell(verdict, x) = kind(verdict) == 7 ? NaN : x
shade(verdict) = SHADE[kind(verdict) == 7 ? 6 : kind(verdict)]
ink_of(verdict) = TEXT[kind(verdict) == 7 ? 6 : kind(verdict)]
do for [k=1:6] {
    x = (14.0 + 190*((k - 1)%3))/plot_width; y = 1 - (k <= 3 ? 16.0 : 40.0)/plot_height
    set object k rectangle from screen x, y - 7.0/plot_height to screen x + 18.0/plot_width, y + 7.0/plot_height fc rgb SHADE[k] fs solid 1 noborder
    set label WORD[k] at screen x + 25.0/plot_width, y left textcolor rgb ink font ",12"
}
set object 7 rectangle from screen 584.0/plot_width, 1 - 47.0/plot_height to screen 602.0/plot_width, 1 - 33.0/plot_height fs empty border lc rgb ink lw 2
set label "not as planned" at screen 609.0/plot_width, 1 - 40.0/plot_height left textcolor rgb ink font ",12"
at_column(x) = column_of(strcol(1))
at_row(x) = row_of(strcol(2))
plot data("plan") using (at_column(0)):(-0.3):(at_column(0) - 0.46):(at_column(0) + 0.46):(-0.3 - 0.42):(-0.3 + 0.42):(shade(strcol(2))) with boxxyerror fc rgb variable fs solid 1 noborder notitle, \
     data("plan") using (at_column(0)):(-0.3):(letter(strcol(2))):(ink_of(strcol(2))) with labels font ",12" textcolor rgb variable notitle, \
     data("cells") using (cell(strcol(3), at_column(0))):(at_row(0)):(at_column(0) - 0.46):(at_column(0) + 0.46):(at_row(0) - 0.42):(at_row(0) + 0.42):(shade(strcol(3))) with boxxyerror fc rgb variable fs solid 1 noborder notitle, \
     data("cells") using ($4 == 0 ? at_column(0) : NaN):(at_row(0)):(at_column(0) - 0.46):(at_column(0) + 0.46):(at_row(0) - 0.42):(at_row(0) + 0.42) with boxxyerror lc rgb ink lw 2 fs empty border notitle, \
     data("cells") using (cell(strcol(3), at_column(0))):(at_row(0)):(letter(strcol(3))):(ink_of(strcol(3))) with labels font ",12" textcolor rgb variable notitle
