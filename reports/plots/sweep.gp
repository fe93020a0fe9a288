#data points from sweep split sweep pick value,dead_share,dead_share_all,test_{measure},text(factor)
#data medians from sweep split sweep by value pick value,median(dead_share),median(dead_share_all),median(test_{measure}),sum(diverged)
id = "sweep"; plot_width = 760; plot_height = 560
load "style.gp"
legend_first = arms + 1
legend_open = "nodes with a gate of their own"
legend_dot = "all gates' channels"
stats data("medians") using 5 nooutput
if (STATS_max > 0) legend_cross = "a run diverged"
load "legend.gp"
stats data("medians") using 1 nooutput
sweeps = int(STATS_blocks) < 3 ? int(STATS_blocks) : 3
array FACTOR[sweeps]
do for [s=1:sweeps] { stats data("points") index s-1 using (FACTOR[s] = strcol(5), 1) nooutput }

# Values over a decade or more stand on a logarithmic axis, and a value of 0 beside it; ticks are the values themselves, where there is room.
least_positive = 1; logarithmic = 0; lowest = 0; highest = 1
place(v) = logarithmic ? (v > 0 ? log10(v) : log10(least_positive) - 0.5) : v
last_tick = 0
room(x, letters) = x - last_tick > sweeps*(8.5*letters + 12)/620*(highest - lowest) ? (last_tick = x, 1) : 0
label(v) = room(place(v), strlen(sprintf("%g", v))) ? sprintf("%g", v) : ""

do for [s=1:sweeps] { stats data("points") index s-1 using (note({factor}*$4)) nooutput }
spread = most - least
floor_of_measure = least - 0.15*(spread > 0 ? spread : 1)
top_of_measure = most + 0.1*(spread > 0 ? spread : 1)
seen = 0; least = 0; most = 1
do for [s=1:sweeps] {
    stats data("points") index s-1 using (note(100*$2)) nooutput
    stats data("points") index s-1 using (note(100*$3)) nooutput
}
top_of_dead = 1.08*high(0, most)
set multiplot
do for [row=1:2] {
    do for [s=1:sweeps] {
        set xrange [*:*]
        set yrange [*:*]
        seen = 0; least = 1; most = 1
        stats data("medians") index s-1 using (note_positive($1)) nooutput
        least_positive = least
        stats data("medians") index s-1 using 1 nooutput
        logarithmic = seen > 0 && STATS_min >= 0 && most >= 9.999*least_positive
        lowest = place(STATS_min); highest = place(STATS_max)
        margin = highest > lowest ? 0.08*(highest - lowest) : 1
        set xrange [lowest - margin:highest + margin]
        last_tick = lowest - 2*(highest - lowest)*sweeps - 1
        width = 0.88/sweeps
        set lmargin at screen 0.12 + (s - 1)*width
        set rmargin at screen 0.12 + s*width - 0.06
        set tmargin at screen row == 1 ? top + 0.03 : 0.47
        set bmargin at screen row == 1 ? 0.55 : 0.12
        set xtics format ""
        set ytics autofreq
        if (row == 1) {
            unset xlabel
            set yrange [-0.04*top_of_dead:top_of_dead]
            if (s == 1) { set ylabel "dead at the end, %" } else { unset ylabel }
            plot data("medians") index s-1 using (place($1)):(100*$3):xtic(label($1)) with lines lc rgb 0xd55e00 lw 2 notitle, \
                 data("medians") index s-1 using (place($1)):(100*$2) with lines lc rgb 0x56b4e9 lw 2 notitle, \
                 data("points") index s-1 using (place($1)):(100*$3) with points pt 7 ps 0.5 lc rgb 0xd55e00 notitle, \
                 data("points") index s-1 using (place($1)):(100*$2) with points pt 6 ps 0.9 lc rgb 0x56b4e9 notitle, \
                 data("medians") index s-1 using (place($1)):($5 > 0 ? 0 : NaN) with points pt 2 ps 1 lc rgb ink notitle
            unset label
            unset arrow
        } else {
            set xlabel FACTOR[s] noenhanced
            set yrange [floor_of_measure:top_of_measure]
            if (s == 1) { set ylabel "test {measure title}{, unit}" } else { unset ylabel }
            plot data("medians") index s-1 using (place($1)):({factor}*$4):xtic(label($1)) with lines lc rgb ink lw 2 notitle, \
                 data("points") index s-1 using (place($1)):({factor}*$4) with points pt 7 ps 0.6 lc rgb ink notitle, \
                 data("medians") index s-1 using (place($1)):($5 > 0 ? floor_of_measure + 0.05*(top_of_measure - floor_of_measure) : NaN) with points pt 2 ps 1 lc rgb ink notitle
        }
    }
}
unset multiplot
