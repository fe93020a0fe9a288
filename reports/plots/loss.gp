#data seeds from loss split arm,seed by step pick step,mean(loss),arm#
#data mean from loss split arm by step pick step,mean(loss)
id = "loss"; plot_width = 760; plot_height = 380
load "style.gp"
load "legend.gp"
set tmargin at screen top + 22.0/plot_height
set xlabel "training step"
set ylabel "training loss"
stats data("seeds") using 2 nooutput
if (STATS_min > 0 && STATS_max > 20*STATS_min) { set logscale y } else { set yrange [STATS_min - 0.05*high(0, STATS_max - STATS_min):STATS_max + 0.05*high(0, STATS_max - STATS_min)] }
plot data("seeds") using 1:2:3 with lines lc variable lw 0.6 notitle, \
     for [a=1:arms] data("mean") index a-1 using 1:2 smooth bezier with lines lt a lw 3 notitle
