#data rows from definitions split arm pick threshold,mean_difference,min_difference,max_difference,text(definition)
id = "definitions"; plot_width = 760
set datafile separator tab
stats "data/arms.tsv" using 1 nooutput
arms = int(STATS_records)
lines = 0
do for [a=1:arms] {
    stats "data/definitions.rows.tsv" index a-1 using (lines = $0 + 1 > lines ? $0 + 1 : lines, 0) nooutput
}
plot_height = 110 + lines*(18 + 8*arms)
load "style.gp"
legend_first = 2
load "legend.gp"
set tmargin at screen top + 22.0/plot_height
unset grid
set grid xtics lt 1 lc rgb pale lw 1
set arrow from first 0, graph 0 to first 0, graph 1 nohead lc rgb ink lw 1.5
set yrange [lines-0.5:-0.5]
set lmargin 27
set xlabel "time-averaged share less that of the reference, percentage points"
seen = 2; least = 0; most = 0
stats data("rows") using (note($3)) nooutput
stats data("rows") using (note($4)) nooutput
span = high(0, most - least)
set xrange [100*(least - 0.05*span):100*(most + 0.05*span)]
label(name, threshold) = name eq "dormant" ? sprintf("tau-dormant at %g", threshold) : in_words(name)
set ytics noenhanced
shift(a) = arms > 2 ? (a - 2 - (arms - 2)/2.0)*0.6/(arms - 1) : 0
plot for [a=2:arms] data("rows") index a-1 using (100*$2):($0+shift(a)):(100*$3):(100*$4):ytic(int(a) == 2 ? label(strcol(5), $1) : "") with xerrorbars lt a lw 2 ps 0.7 notitle
