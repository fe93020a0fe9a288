#data dead from inertia_time where state=dead_through split arm,seed by last pick last,mean(path_gradient_median),arm#
#data alive from inertia_time where state=alive split arm,seed by last pick last,mean(path_gradient_median),arm#
#data dead_mid from inertia_time where state=dead_through split arm by last pick last,median(path_gradient_median)
#data alive_mid from inertia_time where state=alive split arm by last pick last,median(path_gradient_median)
id = "inertia_time"; plot_width = 760; plot_height = 380
legend_dash = "inert below"
load "style.gp"
load "legend.gp"
stats data("alive") using 1 nooutput
lines_of_seeds = STATS_blocks
seen = 2; least = 1e-3; most = 1e-2
stats data("alive") using (note_positive($2)) nooutput
stats data("dead") using (note_positive($2)) nooutput
smallest = least; largest = most
floor_value = 10**(floor(log10(smallest)) - 1)
seen = 0; least = 0; most = 1
stats data("alive") using (note($1)) nooutput
stats data("dead") using (note($1)) nooutput
set xrange [0:high(0, most)]
set xtics tick(high(0, most))
set logscale y
set yrange [floor_value/2:largest*2]
set format y "%.0e"
set ytics add ("exactly 0" floor_value)
set multiplot layout 1,2 margins 0.175,0.98,0.19,top spacing 0.03,0
set xlabel "training step (end of the window)"
set ylabel "median path / weight norm" offset -0.5,0
set title "nodes dead through the window" offset 0,-0.5
plot data("dead") using 1:(thin($2 > 0 ? $2 : floor_value)):3 with lines lc variable lw 0.6 notitle, \
     for [a=1:arms] data("dead_mid") index a-1 using 1:($2 > 0 ? $2 : floor_value) with lines lt a lw 2.5 notitle, 1e-3 with lines lc rgb ink dt 2 lw 1 notitle
unset label
unset arrow
unset ylabel
set format y ""
set ytics add ("" floor_value)
set title "nodes alive at its start" offset 0,-0.5
plot data("alive") using 1:(thin($2 > 0 ? $2 : floor_value)):3 with lines lc variable lw 0.6 notitle, \
     for [a=1:arms] data("alive_mid") index a-1 using 1:($2 > 0 ? $2 : floor_value) with lines lt a lw 2.5 notitle, 1e-3 with lines lc rgb ink dt 2 lw 1 notitle
unset multiplot
