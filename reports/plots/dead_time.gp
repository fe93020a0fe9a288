#data seeds from dead_time where level=network where name=private split arm,seed by step pick step,mean(100*dead_share),arm#
#data mean from dead_time where level=network where name=private split arm by step pick step,mean(100*dead_share),min(100*dead_share),max(100*dead_share)
#data edge from dead_time where level=network where name=private split arm by step pick step,mean(100*edge_share)
id = "dead_time"; plot_width = 760; plot_height = 400
set datafile separator tab
stats "data/arms.tsv" using 1 nooutput
# Bands of more than three arms hide each other: then all means share the first panel, and each arm has one beside the reference.
panels = STATS_records > 3 ? int(STATS_records) : 1
rows = (panels + 2)/3
if (panels > 1) { plot_height = 90 + 230*rows }
load "style.gp"
# Beside the dead, where the traces tell and there are any: nodes that are neither dead nor alive.
seen = 0; least = 0; most = 0
stats data("edge") using (note($2)) nooutput
if (seen > 0 && most > 0) { legend_dash = "on the edge" }
load "legend.gp"
seen = 0; least = 0; most = 1
stats data("mean") using (note($1)) nooutput
set xrange [least:high(least, most)]
set xtics tick(high(0, most - least))
seen = 0; least = 0; most = 1
stats data("mean") using (note($4)) nooutput
stats data("edge") using (note($2)) nooutput
stats data("mean") using (note($2)) nooutput
set yrange [0:high(0, 1.08*most)]
if (panels == 1) {
    set tmargin at screen top + 22.0/plot_height
    set xlabel "training step"
    set ylabel "dead nodes, %"
    plot for [a=1:arms] data("mean") index a-1 using 1:3:4 with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
         data("seeds") using 1:2:3 with lines lc variable lw 0.7 notitle, \
         for [a=1:arms] data("edge") index a-1 using 1:2 with lines lt a lw 1.5 dt 2 notitle, \
         for [a=1:arms] data("mean") index a-1 using 1:2 with lines lt a lw 3 notitle
} else {
    set multiplot
    do for [p=1:panels] {
        row = (p - 1)/3; place = (p - 1)%3
        set tmargin at screen top - 230.0*row/plot_height
        set bmargin at screen top - (230.0*row + 160)/plot_height
        set lmargin at screen 0.065 + 0.325*place
        set rmargin at screen 0.065 + 0.325*place + 0.265
        set title (p == 1 ? "dead nodes, %: all means" : strlen(ARM[p]) > 24 ? ARM[p][1:23]."~" : ARM[p]) noenhanced offset 0,-0.5 font ",13"
        set xlabel (p > panels - 3 ? "training step" : "")
        if (p == 1) {
            plot for [a=1:arms] data("mean") index a-1 using 1:2 with lines lt a lw 2.5 notitle
        } else {
            plot for [a=1:p:p-1] data("mean") index a-1 using 1:3:4 with filledcurves lt a fs transparent solid 0.2 noborder notitle, \
                 data("seeds") using 1:($3 == p ? $2 : NaN) with lines lt p lw 0.6 notitle, \
                 for [a=1:p:p-1] data("edge") index a-1 using 1:2 with lines lt a lw 1.2 dt 2 notitle, \
                 for [a=1:p:p-1] data("mean") index a-1 using 1:2 with lines lt a lw 2.5 notitle
        }
        unset label
        unset arrow
    }
    unset multiplot
}
