#data alive from inertia where state=alive,near_dead split arm thin 1200 pick zeros,path_gradient
#data dead from inertia where state=dead split arm thin 1200 pick zeros,path_gradient
id = "inertia"; plot_width = 760
stats "data/arms.tsv" using 1 nooutput
panels = int(STATS_records)
columns = panels > 3 ? 3 : panels
rows = (panels + columns - 1)/columns
plot_height = 90 + 260*rows
legend_first = 1000; legend_dash = "inert below"; legend_open = "alive or near-dead at the start of the window"; legend_dot = "dead"
load "style.gp"
load "legend.gp"
seen = 2; least = 1e-3; most = 1e-2
stats data("alive") using (note_positive($2)) nooutput
stats data("dead") using (note_positive($2)) nooutput
smallest = least; largest = most
floor_value = 10**(floor(log10(smallest)) - 1)
set logscale y
set format y "%.0e"
set yrange [floor_value/2:largest*2]
set xrange [-4:104]
set label "exact zeros after the gate, % of the window" at screen 0.57, 14.0/plot_height center textcolor rgb ink
set label "gradient-driven path / weight norm" at screen 18.0/plot_width, (top + 70.0/plot_height)/2 center rotate by 90 textcolor rgb ink
set ytics add ("exactly 0" floor_value)
set multiplot layout rows,columns margins 0.15,0.99,70.0/plot_height,top spacing 0.03,105.0/plot_height
do for [a=1:arms] {
    set title ARM[a] noenhanced offset 0,-0.5
    if ((a-1)%columns == 0) { set format y "%.0e"; set ytics add ("exactly 0" floor_value)
    } else { set format y ""; set ytics add ("" floor_value) }
    plot data("alive") index a-1 using (100*$1):($2 > 0 ? $2 : floor_value) with points pt 6 ps 0.5 lw 1 lc rgb 0x56b4e9 notitle, \
         data("dead") index a-1 using (100*$1):($2 > 0 ? $2 : floor_value) with points pt 7 ps 0.5 lc rgb 0xd55e00 notitle, \
         1e-3 with lines lc rgb ink dt 2 lw 1 notitle
    unset label
    unset arrow
}
unset multiplot
