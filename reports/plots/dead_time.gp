#data seeds from dead_time where level=network where name=private split arm,seed by step pick step,mean(dead_share),arm#
#data mean from dead_time where level=network where name=private split arm by step pick step,mean(dead_share),min(dead_share),max(dead_share)
id = "dead_time"; plot_width = 760; plot_height = 400
load "style.gp"
load "legend.gp"
set tmargin at screen top + 22.0/plot_height
seen = 0; least = 0; most = 1
stats data("mean") using (note($1)) nooutput
set xrange [least:high(least, most)]
seen = 0; least = 0; most = 1
stats data("mean") using (note(100*$4)) nooutput
stats data("mean") using (note(100*$2)) nooutput
set yrange [0:high(0, 1.08*most)]
set xlabel "training step"
set ylabel "dead nodes, %"
plot for [a=1:arms] data("mean") index a-1 using 1:(100*$3):(100*$4) with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
     data("seeds") using 1:(100*$2):3 with lines lc variable lw 0.7 notitle, \
     for [a=1:arms] data("mean") index a-1 using 1:(100*$2) with lines lt a lw 3 notitle
