#data arms pivot causes where state=dead columns cause value nodes
id = "causes"; plot_width = 760; plot_height = 400
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
set ylabel "dead nodes at the end" offset -0.5,0
set lmargin at screen 0.12
set key outside right top vertical Left reverse maxrows 12
set xrange [-0.6:arms-0.4]
if (seen == 0) {
    set label "no node is dead at the end" at graph 0.5, graph 0.5 center textcolor rgb ink
    plot [][0:1] NaN notitle
} else {
    stats data("arms") skip 1 matrix nooutput
    plot for [c=3:int(STATS_size_x)] data("arms") using c:xtic(strcol(2)) lt c-1 title columnheader(c)
}
