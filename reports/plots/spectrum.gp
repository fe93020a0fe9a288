#data density from spectrum_density split arm by relative pick relative,mean(relative_density),min(relative_density),max(relative_density)
#data mass from spectrum_mass where probes=@last where steps=@last split arm by epsilon pick epsilon,mean(mass)
#data sweep from spectrum_mass where probes=@last split arm by epsilon pick epsilon,min(mass),max(mass)
#data dead from spectrum_nodes where state=dead split arm pick seed,ratio_mean
#data alive from spectrum_nodes where state=alive split arm pick seed,ratio_mean
#data largest from spectrum split arm by seed pick seed,max(value)
id = "spectrum"; plot_width = 760; plot_height = 720
legend_cross = "dead nodes"
load "style.gp"
load "legend.gp"
set multiplot
set tmargin at screen top
set bmargin at screen top - 0.32
set lmargin at screen 0.11
set rmargin at screen 0.98
set title "density of the Hessian's eigenvalues" offset 0,-0.5
set xlabel "eigenvalue, in largest |eigenvalue| of the run" offset 0,0.3
set ylabel "density"
set logscale y
set format y "1e%T"
set ytics 100
set yrange [1e-6:100]
set xrange [-1.05:1.05]
plot for [a=1:(arms > 3 ? 0 : arms)] data("density") index a-1 using 1:($3 > 1e-6 ? $3 : 1e-6):($4 > 1e-6 ? $4 : 1e-6) with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
     for [a=1:arms] data("density") index a-1 using 1:($2 > 1e-6 ? $2 : NaN) with lines lt a lw 2 notitle
unset label
unset arrow
unset logscale y
set format y "%g"
set ytics autofreq
set tmargin at screen top - 0.49
set bmargin at screen 0.09
set lmargin at screen 0.1
set rmargin at screen 0.36
set title "share of the spectrum with\n|lambda| <= eps max |lambda|, %" offset 0,-0.5 font ",13"
set xlabel "eps"
unset ylabel
set logscale x
set xtics ("1e-6" 1e-6, "1e-4" 1e-4, "1e-2" 1e-2)
set xrange [0.4e-6:0.25]
set yrange [-3:104]
plot for [a=1:(arms > 3 ? 0 : arms)] data("sweep") index a-1 using 1:(100*$2):(100*$3) with filledcurves lt a fs transparent solid 0.15 noborder notitle, \
     for [a=1:arms] data("mass") index a-1 using 1:(100*$2) with linespoints lt a lw 2 ps 0.6 notitle
unset logscale x
unset xlabel
set xrange [0.4:arms + 0.6]
unset xtics
set lmargin at screen 0.46
set rmargin at screen 0.70
set title "||H P z|| / ||P z||,\nevery seed" offset 0,-0.5 font ",13"
seen = 0; least = 0; most = 1
stats data("alive") using (note($2)) nooutput
stats data("dead") using (note($2)) nooutput
set yrange [-0.04*high(0, most):1.06*high(0, most)]
width = arms > 5 ? 0.8 : 0.5
place(a, seed) = a + width/7.0*(int(seed)%7 - 3)
plot for [a=1:arms] data("alive") index a-1 using (place(a, $1)):2 with points lt a pt 7 ps 0.7 notitle, \
     for [a=1:arms] data("dead") index a-1 using (place(a, $1)):2 with points lt a pt 2 ps 0.9 lw 1.5 notitle
set lmargin at screen 0.79
set rmargin at screen 0.96
set title "largest eigenvalue,\nevery seed" offset 0,-0.5 font ",13"
seen = 0; least = 0; most = 1
stats data("largest") using (note($2)) nooutput
set yrange [0:1.06*high(0, most)]
plot for [a=1:arms] data("largest") index a-1 using (place(a, $1)):2 with points lt a ps 0.7 notitle
unset multiplot
