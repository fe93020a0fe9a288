#data seeds from saturation where kind=private split arm,seed by step pick step,mean(100*flat_share),mean(100*saturated_share),arm#
#data mean from saturation where kind=private split arm by step pick step,mean(100*flat_share),mean(100*saturated_share)
id = "saturation"; plot_width = 760; plot_height = 400
load "style.gp"
load "legend.gp"
stats data("seeds") using 1 nooutput
lines_of_seeds = STATS_blocks
seen = 0; least = 0; most = 1
stats data("seeds") using (note($1)) nooutput
set xrange [0:high(0, most)]
set xtics tick(high(0, most))
set xlabel "training step"
set multiplot layout 1,2 margins 0.095,0.98,0.18,top spacing 0.10,0
array TITLE[2] = ["flat outputs, %", "saturated nodes, %"]
do for [v=1:2] {
    seen = 0; least = 0; most = 1
    stats data("seeds") using (note(thin(column(1 + v)))) nooutput
    stats data("mean") using (note(column(1 + v))) nooutput
    set title TITLE[v] offset 0,-0.5
    set yrange [0:high(0, 1.05*most)]
    plot data("seeds") using 1:(thin(column(1 + v))):4 with lines lc variable lw 0.6 notitle, \
         for [a=1:arms] data("mean") index a-1 using 1:1+v with lines lt a lw 2.5 notitle
    unset label
    unset arrow
}
unset multiplot
