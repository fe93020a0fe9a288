#data weights from ranks split arm by position pick position,mean(100*weight_effective_rank/nodes),min(100*weight_effective_rank/nodes),max(100*weight_effective_rank/nodes),mean(weight_stable_rank),min(weight_stable_rank),max(weight_stable_rank),mean(overlapping_pairs),min(overlapping_pairs),max(overlapping_pairs),mean(dependent_nodes),min(dependent_nodes),max(dependent_nodes)
#data outputs from ranks split arm by position pick position,mean(100*output_effective_rank/nodes),min(100*output_effective_rank/nodes),max(100*output_effective_rank/nodes),mean(100*saturation),min(100*saturation),max(100*saturation)
id = "ranks"; plot_width = 760; plot_height = 640
load "style.gp"
load "legend.gp"
seen = 0; least = 0; most = 1
stats data("weights") using (note($1)) nooutput
set xrange [-0.5:most + 0.5]
set xtics layer_tick(most)
many = most > 40
few_arms = arms <= 4   # more lines with whiskers hide each other: means alone
shift(a) = many || !few_arms ? 0 : (a - (arms + 1)/2.0)*0.5/arms
array TITLE[6] = ["weights: effective rank, %", "weights: stable rank", "overlapping pairs", "outputs: effective rank, %", "outputs: saturation, %", "dependent nodes"]
array SET[6] = ["weights", "weights", "weights", "outputs", "outputs", "weights"]
array FIRST[6] = [2, 5, 8, 2, 5, 11]   # column of the mean; lowest and highest seed follow
room = top - 0.11
do for [p=1:6] {
    if (p == 1) { set multiplot }
    row = (p - 1)/3; place = (p - 1)%3
    set tmargin at screen top - row*(room/2 + 0.03)
    set bmargin at screen top - row*(room/2 + 0.03) - room/2 + 0.08
    set lmargin at screen 0.065 + 0.325*place
    set rmargin at screen 0.065 + 0.325*place + 0.265
    set title TITLE[p] offset 0,-0.5 font ",13"
    set xlabel (row == 1 ? "layer, in forward order" : "")
    mean = FIRST[p]; lowest = mean + 1; highest = mean + 2
    set yrange [*:*]   # stats leaves out what is outside
    undefine STATS_*
    stats data(SET[p]) using lowest nooutput
    start = exists("STATS_min") ? STATS_min : 0
    stats data(SET[p]) using highest nooutput
    most = exists("STATS_max") ? STATS_max : 0
    counts = p%3 == 0
    start = !counts && 2*start > most ? start : 0   # what never comes near 0 is looked at from nearby
    span = high(0, counts && most < 4 ? 4 : most - start)
    set yrange [start - 0.06*span:start + 1.06*span]
    if (counts) { set ytics layer_tick(span) } else { set ytics autofreq }
    if (counts && most == 0) { set label (exists("STATS_max") ? "none in any run" : "not tested") at graph 0.5, graph 0.5 center textcolor rgb ink }
    if (many) {
        plot for [a=1:(few_arms ? arms : 0)] data(SET[p]) index a-1 using 1:lowest:highest with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
             for [a=1:arms] data(SET[p]) index a-1 using 1:mean with lines lt a lw 1 notitle
    } else {
        plot for [a=1:(few_arms ? arms : 0)] data(SET[p]) index a-1 using ($1+shift(a)):mean:lowest:highest with yerrorbars lt a lw 1 ps 0 notitle, \
             for [a=1:arms] data(SET[p]) index a-1 using ($1+shift(a)):(counts && most == 0 ? NaN : column(mean)) with linespoints lt a lw (few_arms ? 2 : 1.5) ps 0.4 notitle
    }
    unset label
    unset arrow
}
unset multiplot
