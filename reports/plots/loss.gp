#data seeds from loss split arm,seed by step pick step,mean(loss),arm#
#data mean from loss split arm by step pick step,mean(loss)
#data chance from meta where key=chance_loss pick value
id = "loss"; plot_width = 760; plot_height = 380
load "style.gp"
load "legend.gp"
stats data("seeds") using 1 nooutput
lines_of_seeds = STATS_blocks
seen = 0
stats data("mean") using (note($1)) nooutput
span = seen < 30*arms ? 1 : seen > 7680*arms ? 512 : int(seen/arms/15)
set tmargin at screen top + 22.0/plot_height
set xlabel "training step"
set ylabel "training loss"
seen = 0; least = 0; most = 1
stats data("seeds") using (note($1)) nooutput
set xrange [least:high(least, most)]
seen = 0; least = 0; most = 1
stats data("seeds") using (note(thin($2))) nooutput
stats data("mean") using (note($2)) nooutput
if (least > 0 && most > 8*least) {
    set logscale y
    set ytics ()
    do for [k=-9:9] { do for [m in "1 2 5"] { set ytics add (sprintf("%g", m*10.0**k) m*10.0**k) } }
    set yrange [least/1.3:most*1.3]
} else {
    set yrange [least - 0.05*high(0, most - least):most + 0.05*high(0, most - least)]
}
chance = NaN
stats data("chance") using (chance = $1) nooutput
if (chance > least && chance < most) {
    set arrow from graph 0, first chance to graph 1, first chance nohead lc rgb ink dt 3 lw 1
    set label "a uniform guess" at graph 1, first chance right offset -0.5,0.5 textcolor rgb ink font ",10"
}
plot data("seeds") using 1:(thin($2)):3 with lines lc variable lw 0.6 notitle, \
     for [a=1:arms] data("mean") index a-1 using (running_x($1)):(running_y($2)) with lines lt a lw 3 notitle
