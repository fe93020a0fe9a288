#data seeds from eval where split=test split arm,seed by step pick step,mean({measure}),arm#
#data mean from eval where split=test split arm by step pick step,mean({measure})
#data last from eval where split=test where step=@last split arm pick seed,{measure}
#data last_mean from eval where split=test where step=@last split arm by arm pick mean({measure})
#data chance from meta where key=chance_measure pick value
id = "measure"; plot_width = 760; plot_height = 380
load "style.gp"
load "legend.gp"
set tmargin at screen top + 22.0/plot_height
seen = 0; least = 0; most = 1
stats data("seeds") using (note({factor}*$2)) nooutput
set ylabel "test {measure title}{, unit}"
set yrange [0:high(0, 1.05*most)]
chance = NaN
stats data("chance") using (chance = {factor}*$1) nooutput
if (chance == chance && chance <= high(0, 1.05*most)) {
    set arrow from graph 0, first chance to graph 1, first chance nohead lc rgb ink dt 3 lw 1
    set label "guessing" at graph 1, first chance right offset -0.5,0.5 textcolor rgb ink font ",10"
}
seen = 0; least = 0; most = 1
stats data("seeds") using (note($1)) nooutput
if (seen > 0 && most > least) {
    set xlabel "training step"
    margin = 0.04*(most - least)
    set xrange [least - margin:most + margin]
    plot data("seeds") using 1:({factor}*$2):3 with linespoints lc variable lw 0.6 pt 7 ps 0.45 notitle, \
         for [a=1:arms] data("mean") index a-1 using 1:({factor}*$2) with linespoints lt a lw 3 ps 0.6 notitle
} else {
    # One evaluation, mostly at the end: an arm is a column, a point a seed, a bar the mean.
    set xrange [0.4:arms+0.6]
    unset xtics
    plot for [a=1:arms] data("last") index a-1 using (a + 0.06*(int($1)%7 - 3)):({factor}*$2) with points lt a pt 7 ps 0.8 notitle, \
         for [a=1:arms] data("last_mean") index a-1 using (a):({factor}*$1):(0.3) with xerrorbars lt a lw 2 ps 0 notitle
}
