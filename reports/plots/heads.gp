#data heads from heads where step=@last split arm pick position,100*share
#data layers from heads where step=@last split arm by position pick position,mean(100*entropy_share),min(100*entropy_share),max(100*entropy_share)
id = "heads"; plot_width = 760; plot_height = 400
load "style.gp"
load "legend.gp"
set xlabel "layer, in forward order"
seen = 0; least = 0; most = 1
stats data("layers") using (note($1)) nooutput
set xrange [least - 0.5:most + 0.5]
set xtics layer_tick(most)
shift(a) = (a - (arms + 1)/2.0)*0.5/arms
seen = 0; least = 0; most = 1
stats data("heads") using (note($2)) nooutput
share_top = most
set multiplot layout 1,2 margins 0.105,0.98,0.18,top spacing 0.13,0
set title "what a head adds" offset 0,-0.5
set ylabel "share of the layer's output, %"
set yrange [-0.03*share_top:1.06*share_top]
plot for [a=1:arms] data("heads") index a-1 using ($1+shift(a)):2 with points lt a pt 7 ps 0.4 notitle
unset label
unset arrow
set title "how widely positions look" offset 0,-0.5
set ylabel "entropy, % of the most"
set yrange [-3:106]
plot for [a=1:arms] data("layers") index a-1 using ($1+shift(a)):2:3:4 with yerrorbars lt a lw 1 ps 0 notitle, \
     for [a=1:arms] data("layers") index a-1 using ($1+shift(a)):2 with linespoints lt a lw 2 ps 0.5 notitle
unset multiplot
