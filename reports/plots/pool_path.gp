#data all from pool_path where window=@last where group=all split arm by position pick position,mean(share),min(share),max(share),mean(grad_share),min(grad_share),max(grad_share)
#data dead from pool_path where window=@last where group=dead split arm by position pick position,mean(share),mean(grad_share)
id = "pool_path"; plot_width = 760; plot_height = 400
load "style.gp"
legend_hide = " "   # arms without modules have no path
do for [a=1:arms] {
    seen = 0
    stats data("all") index a-1 using (note($2)) nooutput
    if (seen == 0) { legend_hide = legend_hide . sprintf("%d ", a) }
}
seen = 0
stats data("dead") using (note($2)) nooutput
if (seen > 0) { legend_cross = "dead nodes alone" }
load "legend.gp"
set xlabel "layer, in forward order"
seen = 0; least = 0; most = 1
stats data("all") using (note($1)) nooutput
last = most
set xrange [-0.5:last + 0.5]
set xtics layer_tick(last)
many = last > 40
shift(a) = many ? 0 : (a - (arms + 1)/2.0)*0.5/arms
set yrange [-2:106]
set multiplot layout 1,2 margins 0.105,0.98,0.18,top spacing 0.06,0
set title "energy of the forward output" offset 0,-0.5
set ylabel "share of the pool path, %"
if (many) {
    plot for [a=1:arms] data("all") index a-1 using 1:(100*$3):(100*$4) with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
         for [a=1:arms] data("all") index a-1 using 1:(100*$2) with lines lt a lw 1 notitle, \
         for [a=1:arms] data("dead") index a-1 using 1:(100*$2) every int(last/40) with points lt a pt 2 ps 0.6 notitle
} else {
    plot for [a=1:arms] data("all") index a-1 using ($1+shift(a)):(100*$2):(100*$3):(100*$4) with yerrorbars lt a lw 1 ps 0 notitle, \
         for [a=1:arms] data("all") index a-1 using ($1+shift(a)):(100*$2) with linespoints lt a lw 2 ps 0.5 notitle, \
         for [a=1:arms] data("dead") index a-1 using ($1+shift(a)):(100*$2) with points lt a pt 2 ps 0.8 notitle
}
unset label
unset arrow
unset ylabel
set title "energy of the gradient before the module" offset 0,-0.5
if (many) {
    plot for [a=1:arms] data("all") index a-1 using 1:(100*$6):(100*$7) with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
         for [a=1:arms] data("all") index a-1 using 1:(100*$5) with lines lt a lw 1 notitle, \
         for [a=1:arms] data("dead") index a-1 using 1:(100*$3) every int(last/40) with points lt a pt 2 ps 0.6 notitle
} else {
    plot for [a=1:arms] data("all") index a-1 using ($1+shift(a)):(100*$5):(100*$6):(100*$7) with yerrorbars lt a lw 1 ps 0 notitle, \
         for [a=1:arms] data("all") index a-1 using ($1+shift(a)):(100*$5) with linespoints lt a lw 2 ps 0.5 notitle, \
         for [a=1:arms] data("dead") index a-1 using ($1+shift(a)):(100*$3) with points lt a pt 2 ps 0.8 notitle
}
unset multiplot
