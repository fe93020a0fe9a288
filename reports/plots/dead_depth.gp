#data layers from layer_arm where step=@last split arm by position pick position,mean(100*dead_mean),min(100*dead_min),max(100*dead_max)
#data stages from layer_arm where step=@last by stage pick min(position),text(stage)
id = "dead_depth"; plot_width = 760; plot_height = 420
load "style.gp"
load "legend.gp"
seen = 0; least = 0; most = 1
stats data("layers") using (note($1)) nooutput
last = most
seen = 0; least = 0; most = 1
stats data("layers") using (note($4)) nooutput
highest = most > 0 ? most : 1
longest = 1
stats data("stages") using (longest = strlen(strcol(2)) > longest ? strlen(strcol(2)) : longest, 0) nooutput
set tmargin at screen top - 6.5*longest/plot_height
set xlabel "layer, in forward order"
set ylabel "dead, % of its nodes"
set xrange [-0.5:last + 0.5]
set yrange [-0.03*highest:1.08*highest]
set xtics layer_tick(last)
# Where each stage begins, by name above.
set x2range [-0.5:last + 0.5]
set x2tics scale 0 rotate by 60 left font ",11" textcolor rgb ink noenhanced
unset x2label
many = last > 40
shift(a) = many ? 0 : (a - (arms + 1)/2.0)*0.5/arms
if (many) {
    plot data("stages") using ($1-0.5):(1.08*highest):x2tic(strcol(2)) axes x2y1 with impulses lc rgb pale lw 1 notitle, \
         for [a=1:arms] data("layers") index a-1 using 1:3:4 with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
         for [a=1:arms] data("layers") index a-1 using 1:2 with lines lt a lw 1 notitle
} else {
    plot data("stages") using ($1-0.5):(1.08*highest):x2tic(strcol(2)) axes x2y1 with impulses lc rgb pale lw 1 notitle, \
         for [a=1:arms] data("layers") index a-1 using ($1+shift(a)):2:3:4 with yerrorbars lt a lw 1 ps 0 notitle, \
         for [a=1:arms] data("layers") index a-1 using ($1+shift(a)):2 with linespoints lt a lw 2 ps 0.5 notitle
}
