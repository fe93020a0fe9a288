#data arms pivot planted columns state_end value #
id = "planted"; plot_width = 760; plot_height = 360
load "style.gp"
# Rows of no value at all leave nothing to stack.
seen = 0
stats data("arms") skip 1 using (sum [c=3:40] (valid(c) && column(c) > 0 ? note(1) + 1 : 0), 0) nooutput
set style data histograms
set style histogram rowstacked
set boxwidth 0.7
set yrange [0:*]
set xtics noenhanced
load "arm_axis.gp"
set ylabel "planted nodes" offset -0.5,0
set lmargin at screen 0.12
set key outside right top vertical Left reverse maxrows 12
set xrange [-0.6:arms-0.4]
if (seen == 0) {
    set label "nothing was planted" at graph 0.5, graph 0.5 center textcolor rgb ink
    plot [][0:1] NaN notitle
} else {
    stats data("arms") skip 1 matrix nooutput
    last = int(STATS_size_x)
    array STATE[last]
    do for [c=3:last] { stats data("arms") every ::0::0 using (STATE[c] = strcol(c), 0) nooutput }
    kind(state) = state eq "dead" ? 3 : (state eq "near_dead" ? 6 : (state eq "alive" ? 7 : 8))
    plot for [c=3:last] data("arms") using c:xtic(strcol(2)) lt kind(STATE[c]) title columnheader(c)
}
