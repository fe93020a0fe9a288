#data layers from grad_layer where window=@last split arm by position pick position,median(grad_layer),min(grad_layer),max(grad_layer)
id = "grad_layer"; plot_width = 760; plot_height = 380
load "style.gp"
load "legend.gp"
set tmargin at screen top + 22.0/plot_height
set logscale y
set format y "%.0e"
set xlabel "layer, in forward order"
set ylabel "gradient norm"
seen = 0; least = 0.1; most = 1
stats data("layers") using (note_positive($2)) nooutput
stats data("layers") using (note_positive($3)) nooutput
stats data("layers") using (note_positive($4)) nooutput
smallest = least; largest = most
set yrange [smallest/1.5:largest*1.5]
seen = 0; least = 0; most = 1
stats data("layers") using (note($1)) nooutput
last = most
set xrange [-0.5:last + 0.5]
set xtics layer_tick(last)
many = last > 40
shift(a) = many ? 0 : (a - (arms + 1)/2.0)*0.5/arms
if (many) {
    plot for [a=1:arms] data("layers") index a-1 using 1:($3 > 0 ? $3 : smallest/1.5):($4 > 0 ? $4 : smallest/1.5) with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
         for [a=1:arms] data("layers") index a-1 using 1:($2 > 0 ? $2 : NaN) with lines lt a lw 1 notitle
} else {
    plot for [a=1:arms] data("layers") index a-1 using ($1+shift(a)):($2 > 0 ? $2 : NaN):($3 > 0 ? $3 : smallest/1.5):4 with yerrorbars lt a lw 1 ps 0 notitle, \
         for [a=1:arms] data("layers") index a-1 using ($1+shift(a)):($2 > 0 ? $2 : NaN) with linespoints lt a lw 2 ps 0.5 notitle
}
