#data shares from compensation where group=all split arm by position pick position,mean(affine_same_share),mean(affine_cross_share),mean(dimensional_same_share),mean(dimensional_cross_share),mean(bias_same_share),mean(bias_cross_share)
#data size from compensation where group=all split arm by position pick position,mean(path_energy),mean(y_energy)
id = "compensation"; plot_width = 760
set datafile separator tab
set datafile missing "NA"
stats "data/arms.tsv" using 1 nooutput
arms = int(STATS_records)
# Arms without modules get no panel.
array ROWS[arms]
panels = 0; last = 0
do for [a=1:arms] {
    ROWS[a] = 0
    stats "data/compensation.shares.tsv" index a-1 using (ROWS[a] = ROWS[a] + ($1 == $1 && $2 == $2), last = $1 > last ? $1 : last, 0) nooutput
    panels = panels + (ROWS[a] > 0)
}
plot_height = 96 + (panels + 1)*186
load "style.gp"
array PART[6] = ["affine, same channel", "affine, other channels", "dimensional, same channel", "dimensional, other channels", "bias, same channel", "bias, other channels"]
array SHADE[6] = [0x0072b2, 0x8cc4e6, 0xd55e00, 0xf2b48a, 0x009e73, 0x8fd6c1]
unset key
do for [p=1:6] {
    x = (14.0 + 248*((p - 1)/2))/plot_width; y = 1 - (16.0 + 22*((p - 1)%2))/plot_height
    set object p rectangle from screen x, y - 6.0/plot_height to screen x + 18.0/plot_width, y + 6.0/plot_height fc rgb SHADE[p] fs solid 1 noborder
    set label p PART[p] at screen x + 25.0/plot_width, y left textcolor rgb ink
}
set xrange [-0.6:last + 0.6]
set xtics layer_tick(last)
set lmargin 9
set rmargin 2
set boxwidth (last > 60 ? 1.0 : 0.8)
upto(p) = 100*(sum [i=1:p] column(1 + i))   # shares are never negative, so the tallest stack goes behind
set multiplot
panel = 0
do for [a=1:arms] {
    if (ROWS[a] > 0) {
        set tmargin at screen 1 - (92.0 + 186*panel)/plot_height
        set bmargin at screen 1 - (92.0 + 186*panel + 108)/plot_height
        set title ARM[a] noenhanced offset 0,-0.6 textcolor lt a
        set ylabel "share, %"
        set yrange [0:100]
        set ytics 25
        plot for [p=6:1:-1] data("shares") index a-1 using 1:(upto(p)) with boxes fc rgb SHADE[p] notitle
        panel = panel + 1
        do for [p=1:6] { unset object p; unset label p }
    }
}
# How large all of it is.
set tmargin at screen 1 - (92.0 + 186*panel)/plot_height
set bmargin at screen 1 - (92.0 + 186*panel + 108)/plot_height
set title textcolor rgb ink
set title "RMS of the pool path's output over the convolution's (colours of the titles above)" offset 0,-0.6
set ylabel "ratio"
set xlabel "layer (first gate behind the module), in forward order"
seen = 2; least = 0; most = 0
stats data("size") using (note($3 > 0 ? sqrt($2/$3) : 0)) nooutput
set yrange [0:1.1*high(0, most)]
set ytics tick(2*high(0, most))
plot for [a=1:arms] data("size") index a-1 using 1:($3 > 0 ? sqrt($2/$3) : NaN) with linespoints lt a lw (last > 60 ? 1 : 2) ps (last > 60 ? 0 : 0.6) notitle
unset multiplot
