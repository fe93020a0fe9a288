#data values from classes where measure={measure} split arm by class pick class,mean(value),min(value),max(value)
#data names from classes where measure={measure} by class pick class,text(name)
id = "classes"; plot_width = 760; plot_height = 420
load "style.gp"
load "legend.gp"
seen = 0; least = 0; most = 1
stats data("names") using (note($1)) nooutput
last = most > 1 ? most : 1
seen = 0; least = 0; most = 0
stats data("values") using (note({factor}*$4)) nooutput
longest = 1
stats data("names") using (longest = strlen(strcol(2)) > longest ? strlen(strcol(2)) : longest, 0) nooutput
slanted = last > 5 || longest > 12
if (slanted) { set bmargin at screen (20 + 5.5*longest)/plot_height }
set xrange [-0.6:last + 0.6]
set yrange [0:high(0, 1.05*most)]
set ylabel "test {measure title}{, unit}"
if (slanted) { set xtics scale 0 rotate by 60 right font ",11" noenhanced } else { set xtics scale 0 noenhanced }
shift(a) = (a - (arms + 1)/2.0)*0.6/arms
plot data("names") using 1:(0):xtic(strcol(2)) with points ps 0 notitle, \
     for [a=1:arms] data("values") index a-1 using ($1+shift(a)):({factor}*$2):({factor}*$3):({factor}*$4) with yerrorbars lt a lw 1.5 pt 7 ps 0.7 notitle
