#data seeds from grad_dead where layer=all split arm,seed by last pick last,mean(zero_step_share),mean(ratio_median),mean(path_share),arm#
#data mean from grad_dead where layer=all split arm by last pick last,mean(zero_step_share),mean(ratio_median),mean(path_share)
id = "grad_dead"; plot_width = 760; plot_height = 380
load "style.gp"
load "legend.gp"
stats data("seeds") using 1 nooutput
lines_of_seeds = STATS_blocks
seen = 0; least = 0; most = 1
stats data("seeds") using (note_positive(thin($3))) nooutput
stats data("mean") using (note_positive($3)) nooutput
largest = most
seen = 0; least = 0; most = 1
stats data("seeds") using (note($1)) nooutput
set xrange [0:high(0, most)]
set multiplot layout 1,3 margins 0.07,0.99,0.19,top-0.05 spacing 0.06,0
set xlabel "training step"
set xtics tick(high(0, most))
set yrange [-4:104]
set title "steps with exactly\nno gradient, %" offset 0,-0.5
plot data("seeds") using 1:(thin(100*$2)):5 with lines lc variable lw 0.6 notitle, \
     for [a=1:arms] data("mean") index a-1 using 1:(100*$2) with lines lt a lw 2.5 notitle
unset label
unset arrow
set yrange [-0.04*largest:1.05*largest]
set title "gradient norm over the\nmedian of living nodes" offset 0,-0.5
plot data("seeds") using 1:(thin($3)):5 with lines lc variable lw 0.6 notitle, \
     for [a=1:arms] data("mean") index a-1 using 1:3 with lines lt a lw 2.5 notitle
set yrange [-4:104]
set title "share that came by\nthe pool path, %" offset 0,-0.5
plot data("seeds") using 1:(thin(100*$4)):5 with lines lc variable lw 0.6 notitle, \
     for [a=1:arms] data("mean") index a-1 using 1:(100*$4) with lines lt a lw 2.5 notitle
unset multiplot
