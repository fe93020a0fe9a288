#data seeds from flow where level=network where name=private split arm,seed by last pick last,mean(revival_rate),mean(death_rate),arm#
#data mean from flow where level=network where name=private split arm by last pick last,mean(revival_rate),mean(death_rate)
id = "flow"; plot_width = 760; plot_height = 380
load "style.gp"
load "legend.gp"
stats data("seeds") using 1 nooutput
lines_of_seeds = STATS_blocks
seen = 0; least = 0; most = 1
stats data("seeds") using (note($1)) nooutput
set xrange [0:high(0, most)]
set xtics tick(high(0, most))
seen = 0; least = 0; most = 1
stats data("seeds") using (note(thin(100*$2))) nooutput
stats data("mean") using (note(100*$2)) nooutput
top_revival = most
seen = 0; least = 0; most = 1
stats data("seeds") using (note(thin(100*$3))) nooutput
stats data("mean") using (note(100*$3)) nooutput
top_death = most
set multiplot layout 1,2 margins 0.09,0.98,0.19,top spacing 0.09,0
set xlabel "training step (end of the window)"
set title "revived, % of the dead" offset 0,-0.5
set yrange [0:high(0, 1.05*top_revival)]
plot data("seeds") using 1:(thin(100*$2)):4 with lines lc variable lw 0.6 notitle, \
     for [a=1:arms] data("mean") index a-1 using 1:(100*$2) with lines lt a lw 2.5 notitle
unset label
unset arrow
set title "newly dead, % of the others" offset 0,-0.5
set yrange [0:high(0, 1.05*top_death)]
plot data("seeds") using 1:(thin(100*$3)):4 with lines lc variable lw 0.6 notitle, \
     for [a=1:arms] data("mean") index a-1 using 1:(100*$3) with lines lt a lw 2.5 notitle
unset multiplot
