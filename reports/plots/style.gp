# The common look of all plots. A script sets `id`, `plot_width` and `plot_height`, then loads this file.
# By hand:  gnuplot dead_time.gp        writes dead_time.svg;        gnuplot -e "format='pdf'" dead_time.gp        writes dead_time.pdf (or png).
# Names of arms and layers are read from data files and drawn as they are: nothing in them is ever a command or markup.
if (!exists("format")) format = "svg"
set encoding utf8
if (format eq "svg") set terminal svg size plot_width,plot_height dynamic font "sans-serif,14" noenhanced
if (format eq "png") set terminal pngcairo size 2*plot_width,2*plot_height fontscale 2 linewidth 2 pointscale 2 font "Sans,11" noenhanced background "#ffffff"
if (format eq "pdf") set terminal pdfcairo size plot_width/96.0,plot_height/96.0 font "Sans,10" noenhanced
set output id . "." . format
set datafile separator tab
set datafile missing "NA"
data(name) = "data/" . id . "." . name . ".tsv"

# Okabe and Ito's colours, which most colour-blind people tell apart; the reference is grey. The page knows these values and follows dark mode.
ink = 0x262626
pale = 0xd9d9d9
set linetype 1 lc rgb 0x404040 lw 2 pt 7
set linetype 2 lc rgb 0x0072b2 lw 2 pt 5
set linetype 3 lc rgb 0xd55e00 lw 2 pt 9
set linetype 4 lc rgb 0x009e73 lw 2 pt 11
set linetype 5 lc rgb 0xcc79a7 lw 2 pt 13
set linetype 6 lc rgb 0xe69f00 lw 2 pt 4
set linetype 7 lc rgb 0x56b4e9 lw 2 pt 6
set linetype 8 lc rgb 0x808080 lw 2 pt 8
# More than eight arms have the same colours again, dashed, then dotted, with other points.
array HUE[8] = [0x404040, 0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x808080]
array POINT[8] = [6, 4, 8, 10, 12, 5, 7, 1]
do for [i=9:24] {
    dashes = i <= 16 ? 2 : 3
    set linetype i lw 2 dt dashes lc rgb HUE[(i - 1)%8 + 1] pt POINT[(i + i/17 - 1)%8 + 1]
}
set linetype cycle 24
# viridis, dark: little, bright: much
set palette defined (0 "#440154", 1 "#482878", 2 "#3e4a89", 3 "#31688e", 4 "#26828e", 5 "#1f9e89", 6 "#35b779", 7 "#6ece58", 8 "#b5de2b", 9 "#fde725")

set border 3 lc rgb ink lw 1
set tics nomirror out scale 0.6 textcolor rgb ink
set xlabel textcolor rgb ink
set ylabel textcolor rgb ink
set title textcolor rgb ink
set grid ytics lt 1 lc rgb pale lw 1
set key textcolor rgb ink noenhanced
set style fill solid 1 noborder
# Without this gnuplot 5.4 clears a white disc in the middle of error bars, which shows on a dark page.
set pointintervalbox 0.001

# The arms, in the order of the comparison; the reference is the first.
stats "data/arms.tsv" using 1 nooutput
arms = int(STATS_records)
array ARM[arms]
stats "data/arms.tsv" using (ARM[int($1)] = strcol(2), $1) nooutput

# Lines of single seeds are drawn while there are few of them, for many hide the means: after `stats data("seeds") using 1`, each a block.
most_lines = 30
thin(v) = lines_of_seeds <= most_lines ? v : NaN

# What the tables call other definitions and choices of the analysis, in words; other names stand as they are.
in_words(name) = name eq "dead" ? "dead, as planned" : name eq "near_dead" ? "near-dead counts as dead" : \
    name eq "dead_eval" ? "dead in evaluation mode" : name eq "dead_train" ? "dead on the training batches" : \
    name[1:8] eq "dormant_" ? "tau-dormant at " . name[9:*] : name[1:10] eq "inert_rela" ? "inert: 1 % of layer's median" : \
    name[1:6] eq "inert_" ? "inert below " . name[7:*] : name eq "windows_2" ? "windows joined in pairs" : name eq "windows_4" ? "windows joined in fours" : \
    name eq "probe_half" ? "half of the probe images" : name eq "probe_quarter" ? "a quarter of the probe images" : \
    name eq "dead_through" ? "dead at both ends of a window" : name eq "dead_at_start" ? "dead at a window's start" : name eq "near_dead_cohort" ? "near-dead at the first probe" : \
    name eq "near_dead_0.95" ? "near-dead: 95 % zeros" : name eq "near_dead_0.999" ? "near-dead: 99.9 % zeros" : name

# A round distance between about four ticks over a length.
tick(length) = (scale = 10**floor(log10(length/4.0)), ratio = length/4.0/scale, scale*(ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10))

# Ticks of an axis of layers: whole numbers.
layer_tick(last) = last < 10 ? 1 : ceil(tick(last))

# The extent of data, whatever it holds: after `seen = 0; least = 0; most = 1` and `stats FILE using (note(EXPRESSION)) nooutput`, least and most
# are those of the finite values, 0 and 1 where there were none. (stats alone leaves nothing defined then.)
seen = 0; least = 0; most = 1
note(v) = (v == v && abs(v) < 1e300 ? (seen = seen + 1, least = seen == 1 || v < least ? v : least, most = seen == 1 || v > most ? v : most) : 0, 0)
note_positive(v) = v > 0 ? note(v) : 0

# A running mean over `span` points of a line, drawn at the middle of what it is the mean of: nothing is made up at the
# ends, as a smoothing curve does. Used as `using (running_x($1)):(running_y($2))`; a block starts anew.
array RING_X[512]
array RING_Y[512]
span = 1
running_x(v) = (ring_at = column(0) == 0 ? 1 : ring_at%span + 1, \
    ring_filled = column(0) == 0 ? 1 : ring_filled < span ? ring_filled + 1 : span, RING_X[ring_at] = v, \
    (sum [i=1:ring_filled] RING_X[i])/ring_filled)
running_y(v) = (RING_Y[ring_at] = v, (sum [i=1:ring_filled] RING_Y[i])/ring_filled)

# An upper end that is never the lower one, so that a range is never empty.
high(a, b) = b > a ? b : a + (a == 0 ? 1 : 0.1 * abs(a))
