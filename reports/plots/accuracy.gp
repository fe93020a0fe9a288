#data seeds from eval where split=test split arm,seed by step pick step,mean(accuracy),arm#
#data mean from eval where split=test split arm by step pick step,mean(accuracy)
id = "accuracy"; plot_width = 760; plot_height = 380
load "style.gp"
load "legend.gp"
set tmargin at screen top + 22.0/plot_height
set xlabel "training step"
set ylabel "test accuracy, %"
stats data("seeds") using 1:(100*$2) nooutput
set yrange [0:high(0, 1.05*STATS_max_y)]
margin = 0.04*high(0, STATS_max_x - STATS_min_x)
set xrange [STATS_min_x - margin:STATS_max_x + margin]
plot data("seeds") using 1:(100*$2):3 with linespoints lc variable lw 0.6 pt 7 ps 0.45 notitle, \
     for [a=1:arms] data("mean") index a-1 using 1:(100*$2) with linespoints lt a lw 3 ps 0.6 notitle
