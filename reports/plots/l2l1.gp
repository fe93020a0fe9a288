#data layers from l2l1_arm split arm by position pick position,mean(weight_mean),mean(weight_min),mean(weight_max),mean(activation_mean),mean(activation_min),mean(activation_max)
id = "l2l1"; plot_width = 760; plot_height = 400
legend_dash = "Gaussian"
load "style.gp"
load "legend.gp"
set xlabel "layer, in forward order"
seen = 0; least = 0; most = 1
stats data("layers") using (note($1)) nooutput
set xrange [-0.5:most + 0.5]
set xtics layer_tick(most)
many = most > 40
shift(a) = many ? 0 : (a - (arms + 1)/2.0)*0.5/arms
seen = 2; least = 1; most = 1.3
stats data("layers") using (note($4)) nooutput
weight_top = most
seen = 2; least = 1; most = 1.5
stats data("layers") using (note($7)) nooutput
active_top = most
set multiplot layout 1,2 margins 0.125,0.98,0.18,top spacing 0.08,0
set title "weights" offset 0,-0.5
set ylabel "l2/l1 times sqrt(N)"
set yrange [1:1.02*weight_top]
if (many) {
    plot 1.2533 with lines lc rgb ink dt 2 lw 1 notitle, \
         for [a=1:arms] data("layers") index a-1 using 1:3:4 with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
         for [a=1:arms] data("layers") index a-1 using 1:2 with lines lt a lw 1 notitle
} else {
    plot 1.2533 with lines lc rgb ink dt 2 lw 1 notitle, \
         for [a=1:arms] data("layers") index a-1 using ($1+shift(a)):2:3:4 with yerrorbars lt a lw 1 ps 0 notitle, \
         for [a=1:arms] data("layers") index a-1 using ($1+shift(a)):2 with linespoints lt a lw 2 ps 0.5 notitle
}
unset label
unset arrow
unset ylabel
set title "activations after the gate" offset 0,-0.5
set yrange [1:1.02*active_top]
if (active_top > 5) {
    set logscale y   # one layer would hide the others
    set yrange [1:1.1*active_top]
    set ytics (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
}
if (many) {
    plot for [a=1:arms] data("layers") index a-1 using 1:6:7 with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
         for [a=1:arms] data("layers") index a-1 using 1:5 with lines lt a lw 1 notitle
} else {
    plot for [a=1:arms] data("layers") index a-1 using ($1+shift(a)):5:6:7 with yerrorbars lt a lw 1 ps 0 notitle, \
         for [a=1:arms] data("layers") index a-1 using ($1+shift(a)):5 with linespoints lt a lw 2 ps 0.5 notitle
}
unset multiplot
