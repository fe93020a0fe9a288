#data onset from survival where seed=all where level=network where origin=onset split arm by time steps pick time,mean(survival),mean(low),mean(high)
#data start from survival where seed=all where level=network where origin=start split arm by time steps pick time,mean(survival),mean(low),mean(high)
id = "survival"; plot_width = 760; plot_height = 380
load "style.gp"
load "legend.gp"
set yrange [0:105]
seen = 0; least = 0; most = 1
stats data("onset") using (note($1)) nooutput
onset_end = most
onset_seen = seen
seen = 0; least = 0; most = 1
stats data("start") using (note($1)) nooutput
start_end = most
start_seen = seen
set multiplot layout 1,2 margins 0.105,0.98,0.19,top spacing 0.07,0
set xlabel "steps since the node died"
set ylabel "still dead, %"
set title "deaths seen in training" offset 0,-0.5
if (!onset_seen) { set label "no node died" at graph 0.5, graph 0.5 center textcolor rgb ink }
set xrange [0:high(0, onset_end)]
set xtics tick(high(0, onset_end))
plot for [a=1:(arms > 3 ? 0 : arms)] data("onset") index a-1 using 1:(100*$3):(100*$4) with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
     for [a=1:arms] data("onset") index a-1 using 1:(100*$2) with lines lt a lw 2.5 notitle
unset label
unset arrow
unset ylabel
set xlabel "steps since the first probe"
set title "dead from the start" offset 0,-0.5
if (!start_seen) { set label "no node was dead at the first probe" at graph 0.5, graph 0.5 center textcolor rgb ink }
set xrange [0:high(0, start_end)]
set xtics tick(high(0, start_end))
plot for [a=1:(arms > 3 ? 0 : arms)] data("start") index a-1 using 1:(100*$3):(100*$4) with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
     for [a=1:arms] data("start") index a-1 using 1:(100*$2) with lines lt a lw 2.5 notitle
unset multiplot
