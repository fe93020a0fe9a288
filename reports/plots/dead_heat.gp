#data heat grid layer_arm split arm x step y position value 100*dead_mean label layer rows 200 columns 120
id = "dead_heat"; plot_width = 760; plot_height = 400
stats "data/arms.tsv" using 1 nooutput
panels = int(STATS_records)
set datafile separator tab
columns = 1; rows = 1
set datafile missing "NA"
top = 1
stats "data/dead_heat.heat.size.tsv" using (columns = $1 > 1 ? $1 : 1, rows = $2 > 1 ? $2 : 1, top = $3 > 0 ? $3 : 1, 0) nooutput
panel_height = rows*16 < 130 ? 130 : (rows*16 > 330 ? 330 : rows*16)
plot_height = panels*(panel_height + 72) + 42
load "style.gp"
longest = 4
stats data("heat.y") using (longest = strlen(strcol(2)) > longest ? strlen(strcol(2)) : longest, 0) nooutput
set xrange [-0.5:columns-0.5]
set yrange [rows-0.5:-0.5]
set cbrange [0:top]
set cblabel "dead, %" textcolor rgb ink
set cbtics textcolor rgb ink
unset grid
set border 0
set tics scale 0 noenhanced
set lmargin longest*0.75 + 3
set rmargin 11
set ytics font ",11"
vector = columns*rows*arms <= 2500 || columns < 2 || rows < 2
set multiplot
do for [a=1:arms] {
    set tmargin at screen 1 - ((a-1)*(panel_height+72) + 28.0)/plot_height
    set bmargin at screen 1 - ((a-1)*(panel_height+72) + 28.0 + panel_height)/plot_height
    set title ARM[a] noenhanced offset 0,-0.6
    set xlabel (a == arms ? "training step of the probe" : "")
    if (vector) {
        plot data("heat") index a-1 using 1:2:($1-0.5):($1+0.5):($2-0.5):($2+0.5):3 with boxxyerror fc palette fs solid 1 noborder notitle, \
             data("heat.y") using (-9):1:ytic(strcol(2)) with points ps 0 notitle, data("heat.x") using 1:(-9):xtic(strcol(2)) with points ps 0 notitle
    } else {
        plot data("heat") index a-1 using 1:2:3 with image notitle, \
             data("heat.y") using (-9):1:ytic(strcol(2)) with points ps 0 notitle, data("heat.x") using 1:(-9):xtic(strcol(2)) with points ps 0 notitle
    }
}
unset multiplot
